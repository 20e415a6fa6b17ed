import HopyardWire

/// What `ip link add … type vxlan` sets.
public struct VXLANOptions: Equatable, Sendable {
  /// Whether the outer DF bit is set (`df`).
  public enum DontFragment: UInt8, Sendable, CaseIterable {
    case unset
    case set
    case inherit
  }

  /// The network identifier, 24 bits.
  public var vni: UInt32 = 0
  /// The UDP port of the far ends and of this one.
  public var port: UInt16 = 8472
  /// The outer source; `any` lets the route choose.
  public var local = IPv4Address.any
  /// The default far end or group; `any` for none.
  public var remote = IPv4Address.any
  /// The device by which outer packets leave, by index; 0 for any.
  public var linkIfindex: Int32 = 0
  /// The range of outer source ports; 0 and 0 take the namespace's local ports.
  public var sourcePorts: (low: UInt16, high: UInt16) = (0, 0)
  /// Whether addresses are learned from what arrives.
  public var learns = true
  /// Whether ARP requests for known neighbours are answered here (`proxy`).
  public var isProxy = false
  /// `rsc`: the route short circuit.
  public var isShortCircuit = false
  /// `l2miss`, which is kept and shown.
  public var reportsL2Misses = false
  /// `l3miss`, which is kept and shown.
  public var reportsL3Misses = false
  /// The outer TTL; 0 takes the default (`auto`).
  public var ttl: UInt8 = 0
  /// The outer TTL is the inner one (`ttl inherit`).
  public var inheritsTTL = false
  /// The outer type of service; 1 inherits the inner one.
  public var tos: UInt8 = 0
  /// The outer DF bit.
  public var dontFragment = DontFragment.unset
  /// How many seconds learned entries live; 0 for ever.
  public var ageing: UInt32 = 300
  /// How many entries may be learned; 0 for no limit.
  public var maximumAddresses: UInt32 = 0
  /// Whether the outer UDP checksum is made (`udpcsum`).
  public var makesChecksum = true

  /// The defaults of a VNI.
  public init(vni: UInt32) { self.vni = vni }

  /// Whether both are equal.
  public static func == (left: VXLANOptions, right: VXLANOptions) -> Bool {
    left.vni == right.vni && left.port == right.port && left.local == right.local
      && left.remote == right.remote && left.linkIfindex == right.linkIfindex
      && left.sourcePorts == right.sourcePorts && left.learns == right.learns
      && left.isProxy == right.isProxy && left.ttl == right.ttl && left.tos == right.tos
      && left.inheritsTTL == right.inheritsTTL && left.dontFragment == right.dontFragment
      && left.ageing == right.ageing && left.makesChecksum == right.makesChecksum
  }
}

/// A VXLAN device (RFC 7348): Ethernet frames in UDP, to the far end that the forwarding database
/// names.
public final class VXLANDevice: NetworkDevice {
  /// Bytes of the outer headers and the inner Ethernet header.
  static let overhead = 50

  /// Its settings.
  @exclusivity(unchecked) public internal(set) var options: VXLANOptions
  /// The namespace in which outer packets travel.
  unowned(unsafe) let underlay: any TunnelUnderlay
  /// Its forwarding database.
  @exclusivity(unchecked) var entries: [MACAddress: VXLANEntry] = [:]
  @exclusivity(unchecked) var lastSequence: UInt64 = 0
  private var port: VXLANPort?

  init(
    name: String,
    mac: MACAddress,
    options: VXLANOptions,
    number: UInt32,
    ifindex: Int32,
    host: any TunnelUnderlay
  ) {
    self.options = options
    underlay = host
    super.init(name: name, mac: mac, mtu: 1500, number: number, ifindex: ifindex, host: host)
    uncountedBytes = 14
    if let lower = lowerDevice { mtu = max(68, lower.mtu - Self.overhead) }
    if options.remote != .any {
      insert(
        .zero,
        VXLANRemote(address: options.remote, ifindex: options.linkIfindex),
        isLearned: false,
        isPermanent: true
      )
    }
  }

  /// Changes settings other than VNI and port (`vxlan_changelink`).
  public func change(_ new: VXLANOptions) {
    if new.remote != options.remote {
      entries[.zero] = nil
      if new.remote != .any {
        insert(
          .zero,
          VXLANRemote(address: new.remote, ifindex: new.linkIfindex),
          isLearned: false,
          isPermanent: true
        )
      }
    }
    options = new
  }

  public override var kind: String { "vxlan" }
  public override var minimumMTU: Int { 68 }
  public override var maximumMTU: Int { 65_535 }
  public override var operationalState: String { isUp ? "UNKNOWN" : "DOWN" }

  /// The device named as `dev`, in the namespace where the tunnel was made.
  var lowerDevice: NetworkDevice? {
    options.linkIfindex == 0 ? nil : underlay.device(withIndex: options.linkIfindex)
  }

  override func checkMTU(_ mtu: Int) throws(LinkError) {
    if let lower = lowerDevice, mtu > lower.mtu - Self.overhead {
      throw LinkError(.invalidArgument)
    }
  }

  override func opened() {
    do {
      let port = try VXLANPort.open(options.port, in: underlay)
      self.port = port
      port.devices[options.vni] = self
      if options.remote.isMulticast {
        port.socket?.join(options.remote, ifindex: options.linkIfindex)
      }
    } catch {
      // Somebody has the port: frames leave, but none come in.
      port = nil
    }
  }

  override func checkOpen() throws(LinkError) {
    try VXLANPort.check(options.port, in: underlay)
  }

  override func closed() {
    if options.remote.isMulticast {
      port?.socket?.leave(options.remote, ifindex: options.linkIfindex)
    }
    port?.devices[options.vni] = nil
    port?.closeIfUnused()
    port = nil
    removeEntries { $0.isLearned }
  }

  override func removed() { underlay.tunnels.vxlans.removeAll { $0 === self } }

  // MARK: Out

  override func transmit(_ packet: consuming Packet) -> TransmitResult {
    guard packet.count >= 14 else { return drop(packet) }
    if options.isProxy, packet.u16(at: 12) == EtherType.arp.rawValue {
      return answerARP(packet)
    }
    return forward(packet)
  }

  private func forward(_ packet: consuming Packet) -> TransmitResult {
    let destination = packet.mac(at: 0)
    guard let found = entry(for: destination) ?? entry(for: .zero) else { return drop(packet) }
    entries[found.mac]?.used = simulation.now
    // Copies go to all far ends but the first; that one gets the frame itself, at the end.
    for remote in found.remotes.dropFirst() { encapsulate(packet.clone(), remote) }
    guard let first = found.remotes.first else { return drop(packet) }
    encapsulate(packet, first)
    return .sent
  }

  private func drop(_ packet: consuming Packet) -> TransmitResult {
    statistics.sendDropped &+= 1
    host.drop(packet, .discarded, on: self)
    return .sent
  }

  private func fail(_ packet: consuming Packet) {
    statistics.sendErrors &+= 1
    host.drop(packet, .discarded, on: self)
  }

  /// Sends a frame to one far end (`vxlan_xmit_one`).
  private func encapsulate(_ frame: consuming Packet, _ remote: VXLANRemote) {
    var packet = frame
    guard remote.address != .any, packet.metadata.recursion < TunnelLimit.depth else {
      _ = drop(packet)
      return
    }
    let isIPv4 = packet.u16(at: 12) == EtherType.ipv4.rawValue && packet.count >= 34
    let innerTOS = isIPv4 ? packet.u8(at: 15) : 0
    var flow = TunnelFlow(destination: remote.address.rawValue, ipProtocol: .udp)
    flow.source = options.local.rawValue
    flow.outputIfindex = remote.ifindex != 0 ? remote.ifindex : options.linkIfindex
    flow.tos = options.tos == 1 ? innerTOS : options.tos
    flow.sourcePort = sourcePort(of: packet)
    flow.destinationPort = remote.port != 0 ? remote.port : options.port
    guard let route = underlay.routeTunnel(flow) else {
      statistics.carrierErrors &+= 1
      return fail(packet)
    }
    if route.device === self {
      statistics.collisions &+= 1
      return fail(packet)
    }
    let vni = remote.vni ?? options.vni
    let size = packet.count - 14
    if route.isLocal && !remote.address.isMulticast {
      return bypass(packet, vni: vni, port: flow.destinationPort, source: route.source)
    }
    switch options.dontFragment {
    case .unset: break
    case .set: flow.dontFragment = true
    case .inherit: flow.dontFragment = isIPv4 && packet.u16(at: 20) & 0x4000 != 0
    }
    if isIPv4, size > route.mtu - Self.overhead, bridgePort == nil {
      packet.pull(14)
      (host as? any TunnelUnderlay)?.notePathMTU(route.mtu - Self.overhead, of: packet)
      packet.push(14)
    }
    flow.tos = TunnelECN.encapsulate(tos: flow.tos, inner: innerTOS)
    if options.inheritsTTL && isIPv4 {
      flow.ttl = packet.u8(at: 22)
    } else {
      flow.ttl = options.ttl
    }
    flow.source = route.source
    guard packet.count + 36 <= 65_535 else { return fail(packet) }
    Self.insertTag(&packet)
    packet = .withHeadroom(packet, 64, simulation.pool)
    packet.push(8)
    packet.setU32(0x0800_0000, at: 0)
    packet.setU32(vni << 8, at: 4)
    packet.push(8)
    packet.setU16(flow.sourcePort, at: 0)
    packet.setU16(flow.destinationPort, at: 2)
    packet.setU16(UInt16(packet.count), at: 4)
    packet.setU16(0, at: 6)
    if options.makesChecksum {
      let pseudo = InternetChecksum.pseudoHeader(
        source: IPv4Address(rawValue: flow.source),
        destination: remote.address,
        protocol: .udp,
        length: packet.count
      )
      let sum = packet.withBytes { InternetChecksum.checksum(of: $0, initial: pseudo) }
      packet.setU16(InternetChecksum.udp(sum), at: 6)
    }
    statistics.sentPackets &+= 1
    statistics.sentBytes &+= UInt64(size)
    packet.metadata.recursion &+= 1
    packet.scrubForTunnel(crossing: underlay !== host)
    flow.mark = packet.metadata.mark
    underlay.sendTunnelled(packet, flow)
  }

  /// Hands a frame to a device of this very host (`vxlan_encap_bypass`).
  private func bypass(_ frame: consuming Packet, vni: UInt32, port: UInt16, source: UInt32) {
    guard let other = underlay.tunnels.vxlanPorts.first(where: { $0.number == port })?.devices[vni]
    else { return fail(frame) }
    statistics.sentPackets &+= 1
    statistics.sentBytes &+= UInt64(frame.count - 14)
    other.accept(frame, from: IPv4Address(rawValue: source))
  }

  // MARK: In

  /// Takes a frame that came for this device's VNI.
  func accept(_ frame: consuming Packet, from source: IPv4Address) {
    var packet = frame
    // Its own frame came back, from a group or a loop.
    if packet.mac(at: 6) == mac { return host.drop(packet, .ignored, on: self) }
    if options.learns && !learn(packet.mac(at: 6), from: source) {
      return host.drop(packet, .ignored, on: self)
    }
    guard isUp else {
      statistics.receiveDropped &+= 1
      return host.drop(packet, .deviceDown, on: self)
    }
    packet.scrubForTunnel(crossing: underlay !== host)
    packet.metadata.type = .host
    packet.metadata.linkHeaderLength = 0
    packet.metadata.vlanProtocol = 0
    host.backlog.enqueue(packet, for: self)
  }

  /// Answers an ARP request from what the namespace knows (`arp_reduce`).
  private func answerARP(_ packet: consuming Packet) -> TransmitResult {
    let source = packet.mac(at: 6)
    let question = packet.withBytes { bytes in
      try? ARPMessage(parsing: UnsafeRawBufferPointer(rebasing: bytes[14...]))
    }
    guard let question, question.operation == .request else { return forward(packet) }
    let target = question.target
    if target.rawValue >> 24 == 127 || target.isMulticast { return drop(packet) }
    guard let known = host.connectedNeighbour(target.rawValue, on: self) else {
      return drop(packet)
    }
    // A neighbour whose frames come back by the same way is asked itself.
    if let entry = entry(for: known), entry.remotes.first?.address == .any { return drop(packet) }
    var reply = simulation.pool.make(count: 14 + 28)
    reply.setMAC(source, at: 0)
    reply.setMAC(known, at: 6)
    reply.setU16(EtherType.arp.rawValue, at: 12)
    reply.setU16(1, at: 14)
    reply.setU16(EtherType.ipv4.rawValue, at: 16)
    reply.setU16(0x0604, at: 18)
    reply.setU16(2, at: 20)
    reply.setMAC(known, at: 22)
    reply.setIPv4(target, at: 28)
    reply.setMAC(question.senderHardware, at: 32)
    reply.setIPv4(question.sender, at: 38)
    reply.metadata.journey = packet.metadata.journey
    host.backlog.enqueue(reply, for: self)
    host.drop(packet, .delivered, on: self)
    return .sent
  }

  // MARK: Outer source port

  /// The outer source port, from a hash of the inner flow (`udp_flow_src_port`).
  ///
  /// The two directions of a flow have one hash, as the kernel's flow dissector orders their
  /// addresses; a TCP socket brings a hash of its own, so that the two directions differ.
  private func sourcePort(of frame: borrowing Packet) -> UInt16 {
    var low = UInt32(options.sourcePorts.low)
    var high = UInt32(options.sourcePorts.high)
    if low >= high {
      let range = underlay.localPortRange
      low = UInt32(range.lowerBound)
      high = UInt32(range.upperBound)
    }
    let hash = flowHash(frame)
    return UInt16(truncatingIfNeeded: low + UInt32((UInt64(hash) * UInt64(high - low)) >> 32))
  }

  private func flowHash(_ frame: borrowing Packet) -> UInt32 {
    var value = simulation.seed ^ UInt64(frame.u16(at: 12))
    func mix(_ more: UInt64) {
      value = (value ^ more) &* 0x9e37_79b9_7f4a_7c15
      value ^= value >> 29
    }
    if frame.u16(at: 12) == EtherType.ipv4.rawValue, frame.count >= 34 {
      let source = UInt64(frame.u32(at: 26))
      let destination = UInt64(frame.u32(at: 30))
      let ipProtocol = frame.u8(at: 23)
      let header = Int(frame.u8(at: 14) & 15) * 4
      var ports: (UInt64, UInt64) = (0, 0)
      if ipProtocol == 6 || ipProtocol == 17, frame.u16(at: 20) & 0x3fff == 0,
        frame.count >= 14 + header + 4
      {
        ports = (UInt64(frame.u16(at: 14 + header)), UInt64(frame.u16(at: 16 + header)))
      }
      let isTurned =
        ipProtocol != 6
        && (source > destination || source == destination && ports.0 > ports.1)
      mix(isTurned ? destination << 32 | source : source << 32 | destination)
      mix(isTurned ? ports.1 << 16 | ports.0 : ports.0 << 16 | ports.1)
      mix(UInt64(ipProtocol))
    } else if frame.u16(at: 12) != EtherType.arp.rawValue {
      mix(frame.mac(at: 0).rawValue)
      mix(frame.mac(at: 6).rawValue)
    }
    mix(0x5bd1_e995)
    return UInt32(truncatingIfNeeded: value >> 32)
  }
}
