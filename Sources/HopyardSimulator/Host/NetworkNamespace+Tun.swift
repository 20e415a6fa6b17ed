extension NetworkNamespace {
  /// Makes a TUN device for a program, as opening `/dev/net/tun` does.
  @discardableResult
  public func makeTun(_ link: NewLink = NewLink()) throws(LinkError) -> TunDevice {
    let name = try freeName(link, prefix: "tun")
    try check(link, 68...65_535)
    let device = TunDevice(
      name: name,
      number: backlog.nextNumber(),
      ifindex: link.ifindex ?? devices.nextIndex(),
      host: self
    )
    finish(device, link)
    return device
  }
}
