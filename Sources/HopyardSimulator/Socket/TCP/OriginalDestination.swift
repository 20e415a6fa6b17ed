import HopyardWire

extension TCPSocket {
  /// `SO_ORIGINAL_DST`: where the peer wanted to connect before a rule sent it here.
  ///
  /// Nil where conntrack does not know the connection (`ENOENT`).
  public var originalDestination: (address: IPv4Address, port: UInt16)? {
    let answers = ConntrackTuple<UInt32>(
      source: localAddress.rawValue,
      destination: remoteAddress.rawValue,
      sourcePort: localPort,
      destinationPort: remotePort,
      protocol: IPProtocol.tcp.rawValue
    )
    let table = stack.netfilter.connections.table
    guard let handle = table.find(answers) else { return nil }
    let original = table.entry(handle.index).pointee.original
    return (IPv4Address(rawValue: original.destination), original.destinationPort)
  }
}
