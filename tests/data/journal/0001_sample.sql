-- What a journal of schema 1 held: a request that was cancelled, a rejected one, one with a run; hashes and checkpoints are real.
INSERT INTO events (position, request_id, seq, at, kind, body, hash) VALUES
  (1, 'req_01m7yhx33w0000000000000001', 1, 1795248000123456, 'request.received.v1', '{"event":"received","data":{"source":"servicenow","ticket":{"id":"RITM1"},"requested_by":"jo","asked":{"environment":"prod","vm_name":"vm-1"},"spec":{"vm_name":"vm-1","environment":"prod","controller":"main","vcenter":"vc1","os":"redhat","os_version":"9","template":"rhel9","cpu":2,"memory_mib":4096,"datacenter":"dc1","cluster":"c1","folder":"prod/app","datastore":"ds1","nics":[{"network":"app","nic_type":"vmxnet3","address":"dhcp"}],"disks":[],"dns":[],"expects_address":true},"vm_uid":"7a00600e-217a-55cf-bcb5-1fb5f6545979","approval_required":false}}', X'65ec852c97f265270ef9dd93d1f8ad3af51df4bdd512f7bdc310b10c063af039');
INSERT INTO events (position, request_id, seq, at, kind, body, hash) VALUES
  (2, 'req_01m7yhx33x0000000000000002', 1, 1795248002123456, 'request.rejected.v1', '{"event":"rejected","data":{"source":"servicenow","body_sha256":"0000000000000000000000000000000000000000000000000000000000000000","violations":[]}}', X'565a8cc7c8be5ce5bd4b57a939f2ebc711cde02ac99ff098eae4368f50d16732');
INSERT INTO events (position, request_id, seq, at, kind, body, hash) VALUES
  (3, 'req_01m7yhx33y0000000000000003', 1, 1795248002123456, 'request.received.v1', '{"event":"received","data":{"source":"servicenow","ticket":{"id":"RITM3"},"requested_by":"jo","asked":{"environment":"prod","vm_name":"vm-3"},"spec":{"vm_name":"vm-3","environment":"prod","controller":"main","vcenter":"vc1","os":"redhat","os_version":"9","template":"rhel9","cpu":2,"memory_mib":4096,"datacenter":"dc1","cluster":"c1","folder":"prod/app","datastore":"ds1","nics":[{"network":"app","nic_type":"vmxnet3","address":"dhcp"}],"disks":[],"dns":[],"expects_address":true},"vm_uid":"7a00600e-217a-55cf-bcb5-1fb5f6545979","approval_required":false}}', X'ec774ba88240ae0c521a5504f9c4bbb6988b81e4757fda63487a4087e7b75073');
INSERT INTO events (position, request_id, seq, at, kind, body, hash) VALUES
  (4, 'req_01m7yhx33w0000000000000001', 2, 1795248007123456, 'request.cancel_asked.v1', '{"event":"cancel_asked","data":{"by":"jo"}}', X'67c186d371a062c9fde892a991116957f2232daf44635465c5364f7542810cda');
INSERT INTO events (position, request_id, seq, at, kind, body, hash) VALUES
  (5, 'req_01m7yhx33w0000000000000001', 3, 1795248007123456, 'claim.raised.v1', '{"event":"claim_raised","data":{"attempt_no":1}}', X'4810b275a6f892c27aeebe696d401ffab2aefc5788e129c3e892de4442fdf24d');
INSERT INTO events (position, request_id, seq, at, kind, body, hash) VALUES
  (6, 'req_01m7yhx33w0000000000000001', 4, 1795248007123456, 'request.cancelled.v1', '{"event":"cancelled","data":{"left_behind":[]}}', X'86ca1395d0211f6bead8e2f2838e0b1531fd59a87a1a9dc09869b950ca532557');
INSERT INTO events (position, request_id, seq, at, kind, body, hash) VALUES
  (7, 'req_01m7yhx33y0000000000000003', 2, 1795248012123456, 'preflight.done.v1', '{"event":"preflight_done","data":{"attempt_no":1,"findings":[]}}', X'0e86885f45238e58523196c60c8075af2ae3fcbe69f28b22ff3f0dc5d588cb67');
INSERT INTO events (position, request_id, seq, at, kind, body, hash) VALUES
  (8, 'req_01m7yhx33y0000000000000003', 3, 1795248012123456, 'launch.intended.v1', '{"event":"launch_intended","data":{"attempt_no":1,"attempt":"62c92a64-17cd-54de-8692-e68d02d020ab","stages":["vm_provision","network_configuration","storage_configuration","inventory_write","validation"]}}', X'67ae96e9d5aade2b3b1d41a84314d31fc54882914d9e5cdd07eeef8178395426');
INSERT INTO events (position, request_id, seq, at, kind, body, hash) VALUES
  (9, 'req_01m7yhx33y0000000000000003', 4, 1795248012123456, 'claim.written.v1', '{"event":"claim_written","data":{"attempt_no":1,"claim_host":9}}', X'57f52edc0eb7867184db55a781659a8e842c2797cf76f176e0f4b20e91c38a66');
INSERT INTO events (position, request_id, seq, at, kind, body, hash) VALUES
  (10, 'req_01m7yhx33y0000000000000003', 5, 1795248013123456, 'launch.sent.v1', '{"event":"launch_sent","data":{"attempt_no":1}}', X'fe9d2bab343046d0828d2c86bab50bbcdb47fc18be494ced7f11b91280572c10');
INSERT INTO events (position, request_id, seq, at, kind, body, hash) VALUES
  (11, 'req_01m7yhx33y0000000000000003', 6, 1795248014123456, 'launch.accepted.v1', '{"event":"launch_accepted","data":{"attempt_no":1,"workflow_job":4711,"found_by":"answer"}}', X'4a75be4f5ca7f933002607eadc9a8d6cb2510134f383b0de589f44c295425514');
INSERT INTO events (position, request_id, seq, at, kind, body, hash) VALUES
  (12, 'req_01m7yhx33y0000000000000003', 7, 1795248014123456, 'callback.seen.v1', '{"event":"callback_seen","data":{"controller":"main","job":7,"kind":"workflow_job","status":"running"}}', X'441b29a9ad1bbd8c48bfb223bf04dc70d106c5ab52caa4bd62293eb9d295d31c');
INSERT INTO checkpoints (position, at, hash) VALUES
  (6, 1795248007123456, X'34da81c97477fb90de77ab2b6bb5ed21e2ac38c6ca561d5d7fdca418f0e9f962');
INSERT INTO checkpoints (position, at, hash) VALUES
  (12, 1795248014123456, X'c4e268cae5ddb2cb39e762c49a8c9022b493d82ab83e1f82c49b3617248efc26');
INSERT INTO keys (kind, key, request_id, body_sha256, expires_at) VALUES
  ('body:jira', '0000000000000000000000000000000000000000000000000000000000000000', 'req_01m7yhx33x0000000000000002', NULL, 1795248302123456);
INSERT INTO keys (kind, key, request_id, body_sha256, expires_at) VALUES
  ('delivery:servicenow', 'msg_2026', 'req_01m7yhx33w0000000000000001', NULL, 1795852800123456);
INSERT INTO keys (kind, key, request_id, body_sha256, expires_at) VALUES
  ('idempotency:portal', '7f', 'req_01m7yhx33y0000000000000003', '1111111111111111111111111111111111111111111111111111111111111111', 1795852802123456);
INSERT INTO keys (kind, key, request_id, body_sha256, expires_at) VALUES
  ('request', 'servicenow/RITM1/', 'req_01m7yhx33w0000000000000001', NULL, NULL);
