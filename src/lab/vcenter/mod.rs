//! The SOAP front of the lab's vSphere model.
