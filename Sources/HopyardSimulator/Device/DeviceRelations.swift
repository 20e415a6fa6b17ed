extension NetworkDevice {
  /// Tells the namespace what happened to the device, and then the devices that stand on it.
  func announce(_ event: DeviceEvent) {
    host.deviceChanged(self, event)
    tellDependents(event)
  }

  /// Tells the devices that stand on this one, or of which it is a part, what happened to it.
  func tellDependents(_ event: DeviceEvent) {
    if let port = bridgePort { port.bridge.portChanged(port, event) }
    if let macvlans = receiveHandler as? MacvlanPort { macvlans.lowerChanged(event) }
    for vlan in vlans { vlan.parentChanged(event) }
  }

  /// Changes the carrier and tells the namespace and the devices that depend on it.
  func setCarrier(_ present: Bool) {
    guard present != hasCarrier else { return }
    hasCarrier = present
    statistics.carrierChanges &+= 1
    noteStateWithoutCarrier()
    announce(.carrierChanged)
  }

  /// Notes the state that the device has without a carrier (RFC 2863), as of now.
  ///
  /// Linux looks for the index of the device under it in this device's own namespace, where another
  /// device may have that index, at the time when the carrier changes.
  func noteStateWithoutCarrier() {
    guard !hasCarrier else { return }
    stateWithoutCarrier = "DOWN"
    guard let lower, lower.ifindex != ifindex else { return }
    if let other = host.device(withIndex: lower.ifindex), !other.hasCarrier {
      stateWithoutCarrier = "LOWERLAYERDOWN"
    }
  }
}
