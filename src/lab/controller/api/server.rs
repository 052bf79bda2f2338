//! placeholder
#[derive(Debug)]
pub struct Lab;
#[derive(Debug)]
pub struct LabError;
#[derive(Debug)]
pub struct LabOptions;
