import HopyardWire

/// What a set reads of a packet of either family.
struct SetSubject {
  var family: SetFamily
  /// The addresses as integers in host order.
  var source: UInt128
  var destination: UInt128
  var `protocol`: UInt8
  /// The ports; of ICMP its type and code, of protocols without ports 0, nil where they are missing.
  var sourcePort: UInt16?
  var destinationPort: UInt16?
  /// The addresses of the frame.
  var sourceMAC: UInt64?
  var destinationMAC: UInt64?
  var mark: UInt32
  /// The interned names of the devices.
  var input: UInt32?
  var output: UInt32?
  /// The length of the packet in bytes, as entries count it.
  var length: UInt64

  init(_ packet: borrowing Packet, _ context: RuleContext) {
    let view = context.view
    family = .ipv4
    source = UInt128(view.source)
    destination = UInt128(view.destination)
    `protocol` = view.protocol
    switch view.protocol {
    case 6, 17, 132, 136:
      if context.hasPorts {
        sourcePort = context.sourcePort
        destinationPort = context.destinationPort
      }
    case 1:
      if !view.isLaterFragment, view.transportLength >= 8 {
        sourcePort = packet.u16(at: view.transport)
        destinationPort = sourcePort
      }
    default:
      sourcePort = 0
      destinationPort = 0
    }
    if packet.metadata.linkHeaderLength >= 14 {
      sourceMAC = packet.linkSource.rawValue
      destinationMAC = packet.linkDestination.rawValue
    }
    mark = packet.metadata.mark
    input = context.input?.nameID
    output = context.output?.nameID
    length = UInt64(packet.count)
  }

  init(_ probe: IPv6Probe, _ view: IPv6View, in simulation: Simulation) {
    family = .ipv6
    source = view.source
    destination = view.destination
    `protocol` = view.protocol
    switch view.protocol {
    case 6, 17, 132, 136:
      if let ports = view.ports(probe.bytes) {
        sourcePort = ports.source
        destinationPort = ports.destination
      }
    case 58:
      if !view.isLaterFragment, view.transport + 8 <= view.totalLength {
        sourcePort =
          UInt16(probe.bytes[view.transport]) << 8 | UInt16(probe.bytes[view.transport + 1])
        destinationPort = sourcePort
      }
    default:
      sourcePort = 0
      destinationPort = 0
    }
    sourceMAC = probe.sourceMAC?.rawValue
    mark = probe.mark
    input = probe.input.map { simulation.interfaceNameID($0) }
    output = probe.output.map { simulation.interfaceNameID($0) }
    length = UInt64(view.totalLength)
  }
}
