import HopyardWire

/// The packets that tunnels made, until the step at hand has ended.
///
/// A device never sends through another stack from within its own `transmit`: what it encapsulated
/// waits here, and is sent in order by an event of the same moment.
final class TunnelOutput: EventHandler {
  private unowned(unsafe) let stack: IPv4Stack
  @exclusivity(unchecked) private var handler: UInt32 = 0
  @exclusivity(unchecked) private var queue = PacketQueue()
  /// The outer flow of each packet in the queue.
  @exclusivity(unchecked) private var flows: [TunnelFlow] = []

  init(stack: IPv4Stack) {
    self.stack = stack
    handler = stack.simulation.register(self)
  }

  func append(_ packet: consuming Packet, _ flow: TunnelFlow) {
    if flows.isEmpty { stack.simulation.post(after: 0, handler: handler, tag: 0) }
    queue.append(packet)
    flows.append(flow)
  }

  func handle(_ tag: UInt32) {
    let waiting = flows
    flows.removeAll(keepingCapacity: true)
    for flow in waiting {
      guard let packet = queue.popFirst() else { return }
      stack.sendOuter(packet, flow)
    }
  }
}

extension IPv4Stack {
  /// The way of an outer packet.
  func tunnelOptions(_ flow: TunnelFlow) -> OutputOptions {
    var options = OutputOptions(destination: flow.destination, ipProtocol: flow.ipProtocol)
    options.source = flow.source
    options.outputIfindex = flow.outputIfindex
    options.tos = flow.tos
    options.ttl = flow.ttl
    options.dontFragment = flow.dontFragment
    options.mark = flow.mark
    options.sourcePort = flow.sourcePort
    options.destinationPort = flow.destinationPort
    return options
  }

  /// Puts the outer header before a packet and sends it (`iptunnel_xmit`).
  func sendOuter(_ packet: consuming Packet, _ flow: TunnelFlow) {
    let options = tunnelOptions(flow)
    guard let route = try? routeOutput(options) else {
      return drop(packet, .noRoute, on: nil)
    }
    var packet = Packet.withHeadroom(packet, 64, simulation.pool)
    packet.push(20)
    let isGroup = route.type == .multicast
    packet.setU8(0x45, at: 0)
    packet.setU8(flow.tos, at: 1)
    packet.setU16(UInt16(packet.count), at: 2)
    packet.setU16(nextIdentification(), at: 4)
    packet.setU16(flow.dontFragment && !route.isMTULocked ? 0x4000 : 0, at: 6)
    packet.setU8(
      flow.ttl != 0
        ? flow.ttl : (isGroup ? 1 : UInt8(truncatingIfNeeded: settings.defaultTTL)),
      at: 8
    )
    packet.setU8(flow.ipProtocol.rawValue, at: 9)
    packet.setU32(flow.source != 0 ? flow.source : route.source, at: 12)
    packet.setU32(flow.destination, at: 16)
    packet.metadata.etherType = .ipv4
    packet.metadata.type = .outgoing
    packet.metadata.linkHeaderLength = 0
    try? sendLocal(packet, route, loopsMulticast: false)
  }

  /// Gives a packet of protocol 4 to its tunnel (`tunnel4_rcv`).
  func receiveTunnelled(
    _ packet: consuming Packet,
    on device: NetworkDevice,
    headerLength: Int,
    _ tunnels: TunnelTable
  ) {
    counters.countDelivered()
    guard
      let tunnel = tunnels.ipip(
        from: packet.u32(at: 12),
        to: packet.u32(at: 16),
        ifindex: device.ifindex
      )
    else {
      sendICMPError(
        about: packet,
        type: .destinationUnreachable,
        code: ICMPv4Header.Unreachable.port,
        received: device
      )
      return drop(packet, .noProtocol, on: device)
    }
    tunnel.receiveTunnelled(packet, headerLength: headerLength)
  }
}
