-- VMs under watch have a projection of their own since: the line about each request is made anew together with it.
DROP TABLE IF EXISTS requests;
