package model

// ProbeThrough is Probe by way of another transport than the network.
var ProbeThrough = probe
