"""What the forwarder Lambda and `vpcflow forward` share: inputs, outputs, and the work on messages and objects."""
