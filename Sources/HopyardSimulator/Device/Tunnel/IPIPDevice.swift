import HopyardWire

/// What `ip link … type ipip` and `ip tunnel` set.
public struct IPIPOptions: Equatable, Sendable {
  /// The outer source; `any` lets the route choose.
  public var local = IPv4Address.any
  /// The outer destination; `any` takes each packet's next hop (NBMA).
  public var remote = IPv4Address.any
  /// The outer TTL; 0 inherits the inner one.
  public var ttl: UInt8 = 0
  /// The outer type of service; 1 inherits the inner one.
  public var tos: UInt8 = 0
  /// Whether the outer packet has DF set, so that the path's MTU is discovered.
  public var discoversPathMTU = true
  /// Whether IPv4 in IPv4 was asked for by name (`mode ipip`).
  public var isNamedMode = false
  /// The device by which outer packets must leave, by index; 0 for any.
  public var linkIfindex: Int32 = 0

  /// The defaults: any to any.
  public init() {}
}

/// An IPv4-in-IPv4 tunnel (RFC 2003) as Linux's `ipip` module makes it.
public final class IPIPDevice: NetworkDevice {
  /// Bytes of the outer header.
  static let overhead = 20
  /// How long errors from the path count (`IPTUNNEL_ERR_TIMEO`).
  private static let errorLifetime: Int64 = .seconds(30)

  /// Its settings.
  @exclusivity(unchecked) public internal(set) var options: IPIPOptions {
    didSet { takesNextHop = options.remote == .any }
  }
  /// The namespace in which outer packets travel.
  unowned(unsafe) let underlay: any TunnelUnderlay
  /// `tunl0`, which is always there once the module is.
  public let isFallback: Bool
  private var errorCount = 0
  private var errorTime = Instant.zero

  init(
    name: String,
    options: IPIPOptions,
    isFallback: Bool,
    number: UInt32,
    ifindex: Int32,
    host: any TunnelUnderlay
  ) {
    self.options = options
    self.isFallback = isFallback
    underlay = host
    super.init(
      name: name,
      mac: .zero,
      mtu: 1500 - Self.overhead,
      number: number,
      ifindex: ifindex,
      host: host
    )
    isNoARP = true
    takesNextHop = options.remote == .any
  }

  public override var kind: String { "ipip" }
  public override var hardwareType: Int { 768 }
  public override var linkHeaderLength: Int { 0 }
  public override var isEthernet: Bool { false }
  public override var isPointToPoint: Bool { options.remote != .any }
  public override var isMulticastCapable: Bool { false }
  public override var minimumMTU: Int { 68 }
  public override var maximumMTU: Int { 65_535 - Self.overhead }
  public override var operationalState: String { isUp ? "UNKNOWN" : "DOWN" }

  /// The MTU that the route to the far end leaves (`ip_tunnel_bind_dev`).
  func mtuByRoute() -> Int {
    var outer = 1500
    if options.remote != .any {
      var flow = TunnelFlow(destination: options.remote.rawValue, ipProtocol: .ipip)
      flow.source = options.local.rawValue
      flow.outputIfindex = options.linkIfindex
      if let route = underlay.routeTunnel(flow) { outer = route.device.mtu }
    } else if options.linkIfindex != 0,
      let device = underlay.device(withIndex: options.linkIfindex)
    {
      outer = device.mtu
    }
    return max(68, outer - Self.overhead)
  }

  override func removed() {
    underlay.tunnels.ipips.removeAll { $0 === self }
  }

  // MARK: Out

  override func transmit(_ packet: consuming Packet) -> TransmitResult {
    guard packet.metadata.etherType == .ipv4, packet.count >= 20, packet.u8(at: 0) >> 4 == 4 else {
      return fail(packet)
    }
    var flow = TunnelFlow(destination: options.remote.rawValue, ipProtocol: .ipip)
    if options.remote == .any { flow.destination = packet.metadata.nextHop }
    guard flow.destination != 0 else { return fail(packet) }
    flow.source = options.local.rawValue
    flow.outputIfindex = options.linkIfindex
    let innerTOS = packet.u8(at: 1)
    flow.tos = options.tos & 1 != 0 ? innerTOS : options.tos
    guard let route = underlay.routeTunnel(flow) else {
      statistics.carrierErrors &+= 1
      return fail(packet)
    }
    if route.device === self {
      statistics.collisions &+= 1
      return fail(packet)
    }
    let innerDF = packet.u16(at: 6) & 0x4000 != 0
    flow.dontFragment = options.discoversPathMTU || innerDF
    let mtu = flow.dontFragment ? route.mtu - Self.overhead : self.mtu
    let overlay = host as? any TunnelUnderlay
    if packet.count > mtu { overlay?.notePathMTU(mtu, of: packet) }
    if innerDF && packet.count > mtu {
      overlay?.tellTooLong(packet, mtu: mtu)
      return fail(packet)
    }
    if errorCount > 0 {
      if simulation.now - errorTime < Self.errorLifetime {
        errorCount -= 1
        overlay?.tellUnreachable(packet)
      } else {
        errorCount = 0
      }
    }
    flow.tos = TunnelECN.encapsulate(tos: flow.tos, inner: innerTOS)
    flow.ttl = options.ttl != 0 ? options.ttl : packet.u8(at: 8)
    flow.source = route.source
    guard packet.metadata.recursion < TunnelLimit.depth, packet.count <= maximumMTU else {
      return fail(packet)
    }
    statistics.sentPackets &+= 1
    statistics.sentBytes &+= UInt64(packet.count)
    var packet = packet
    packet.metadata.recursion &+= 1
    packet.scrubForTunnel(crossing: underlay !== host)
    flow.mark = packet.metadata.mark
    underlay.sendTunnelled(packet, flow)
    return .sent
  }

  private func fail(_ packet: consuming Packet) -> TransmitResult {
    statistics.sendErrors &+= 1
    host.drop(packet, .discarded, on: self)
    // A tunnel never tells the sender by a return value.
    return .sent
  }

  // MARK: In

  /// Takes a packet for this tunnel; its first byte is the outer header's.
  func receiveTunnelled(_ packet: consuming Packet, headerLength: Int) {
    var packet = packet
    let outer = packet.u8(at: 1)
    packet.pull(headerLength)
    guard TunnelECN.decapsulate(outer: outer, &packet, at: 0) else {
      statistics.receiveErrors &+= 1
      return host.drop(packet, .malformed, on: self)
    }
    packet.scrubForTunnel(crossing: underlay !== host)
    packet.metadata.type = .host
    packet.metadata.etherType = .ipv4
    packet.metadata.linkHeaderLength = 0
    host.backlog.enqueue(packet, for: self)
  }

  /// Notes an ICMP error about an outer packet (`ipip_err`).
  func noteError() {
    guard options.remote != .any else { return }
    errorCount = simulation.now - errorTime < Self.errorLifetime ? errorCount + 1 : 1
    errorTime = simulation.now
  }
}

/// Limits that tunnels share.
enum TunnelLimit {
  /// How deep tunnels may be nested (`XMIT_RECURSION_LIMIT`).
  static let depth: UInt8 = 8
}

extension Packet {
  /// Takes off what the inner or outer stack knows of a packet (`skb_scrub_packet`); the mark and
  /// the sending socket stay within a namespace.
  mutating func scrubForTunnel(crossing: Bool) {
    let priority = metadata.priority
    scrub(crossing: crossing)
    metadata.priority = priority
    metadata.largestFragment = 0
    metadata.inputDevice = 0
    metadata.realm = 0
  }
}
