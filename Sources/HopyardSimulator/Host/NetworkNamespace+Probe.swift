public import HopyardWire

/// A packet that is shown to a namespace's rules without being sent, as rule tests do it.
public struct HookProbe: Sendable {
  /// How the packet relates to a connection.
  public enum Tracking: Hashable, Sendable {
    /// As conntrack finds it.
    case natural
    /// It belongs to no connection that could be.
    case invalid
    /// A rule of the raw table exempted it.
    case untracked
    /// It begins a connection.
    case new
    /// It belongs to a connection that answered.
    case established(isReply: Bool)
    /// It is about another connection.
    case related(isReply: Bool)
  }

  /// The IP packet.
  public var bytes: [UInt8]
  /// The name of the interface of arrival.
  public var input: String?
  /// The name of the interface of departure.
  public var output: String?
  /// The mark that it has before.
  public var mark: UInt32 = 0
  /// The mark of its connection, where it has one already.
  public var connectionMark: UInt32 = 0
  /// How it relates to a connection.
  public var tracking = Tracking.natural
  /// To whom its frame was addressed.
  public var type = PacketType.host
  /// The sender of its frame.
  public var sourceMAC = MACAddress.zero
  /// The user and group of the sending socket, for packets of this host.
  public var owner: (user: UInt32, group: UInt32)?

  /// Makes a probe of an IP packet.
  public init(bytes: [UInt8]) { self.bytes = bytes }
}

/// What became of a probe.
public struct HookProbeResult: Sendable {
  /// The last hook's verdict; nil for a chain that came to its end without one.
  public var verdict: NetfilterVerdict?
  /// The packet afterwards.
  public var bytes: [UInt8]
  /// Its mark afterwards.
  public var mark: UInt32
  /// The interface by which it leaves afterwards.
  public var output: String?
}

/// A packet between the hooks of a probe.
public final class ProbedPacket {
  private let namespace: NetworkNamespace
  private let probe: HookProbe
  private var packet: Packet?
  private var input: InterfaceReference?
  private var output: InterfaceReference?
  /// The packet's journey, as traces number it.
  public let journey: UInt64
  /// What the last hook said.
  public private(set) var verdict: NetfilterVerdict? = .accept

  /// Prepares a packet; nil if it is no IPv4 packet or names an interface that is not there.
  public init?(_ probe: HookProbe, in namespace: NetworkNamespace) {
    self.namespace = namespace
    self.probe = probe
    if let name = probe.input {
      guard let device = namespace.devices[name] else { return nil }
      input = namespace.ipv4.reference(device)
    }
    if let name = probe.output {
      guard let device = namespace.devices[name] else { return nil }
      output = namespace.ipv4.reference(device)
    }
    let link: [UInt8] = [UInt8](repeating: 0, count: 14)
    var packet = namespace.simulation.pool.make(bytes: link + probe.bytes)
    packet.setMAC(probe.sourceMAC, at: 6)
    packet.setU16(EtherType.ipv4.rawValue, at: 12)
    packet.pull(14)
    guard PacketView(packet) != nil else { return nil }
    packet.metadata.linkHeaderLength = 14
    journey = namespace.simulation.nextJourney()
    packet.metadata.journey = journey
    packet.metadata.mark = probe.mark
    packet.metadata.type = probe.type
    packet.metadata.inputDevice = input?.device ?? 0
    if let owner = probe.owner {
      packet.metadata.socket = .max
      packet.metadata.uid = owner.user
      packet.metadata.gid = owner.group
    }
    track(&packet)
    self.packet = consume packet
  }

  /// Gives the packet another interface of departure, as a routing decision does.
  public func setOutput(_ name: String) {
    output = namespace.devices[name].map { namespace.ipv4.reference($0) }
  }

  /// Shows the packet to all that stands at a hook, in the order of priorities.
  public func pass(_ hook: Hook) {
    guard verdict == .accept, var current = packet.take() else { return }
    if hook == .forward { current.metadata.flags.insert(.forwarded) }
    let tracks = namespace.netfilter.connections
    tracks.isSuspended = probe.tracking == .invalid
    defer { tracks.isSuspended = false }
    var out = hook == .prerouting || hook == .input ? nil : output
    verdict = namespace.netfilter.run(
      hook,
      &current,
      input: hook == .output ? nil : input,
      output: &out
    )
    if hook == .output, let out { output = out }
    packet = consume current
  }

  /// Sends the packet through one chain; a chain without a verdict of its own gives nil.
  public func pass(
    chain name: String,
    of table: LiveTable,
    _ variant: RulesetVariant,
    at hook: Hook
  ) {
    let instance = namespace.netfilter.instance(of: table, variant)
    guard let number = table.table.index(of: name), var current = packet.take()
    else {
      verdict = nil
      return
    }
    let activity = table.activity(ofChain: number)
    let before = activity.policyCounters(.legacy).packets
    let outcome = namespace.netfilter.evaluate(
      ChainStart(code: instance.compiled.codes + number, table: .passUnretained(instance)),
      &current,
      at: hook,
      input: input,
      output: output
    )
    withExtendedLifetime(instance) {}
    switch outcome {
    case .drop: verdict = .drop(namespace.netfilter.fate)
    case .stolen: verdict = .stolen
    case .accept:
      let isAtEnd = activity.policyCounters(.legacy).packets != before
      verdict = isAtEnd && table.table.chains[number].hook == nil ? nil : .accept
    }
    packet = consume current
  }

  /// What the packet is now.
  public var result: HookProbeResult {
    guard let current = packet.take() else {
      return HookProbeResult(verdict: verdict, bytes: [], mark: 0, output: nil)
    }
    let result = HookProbeResult(
      verdict: verdict,
      bytes: current.bytes,
      mark: current.metadata.mark,
      output: output.map { namespace.interfaceName($0.device) }
    )
    packet = consume current
    return result
  }

  // MARK: Connections

  /// Gives the packet the connection that was asked for.
  private func track(_ packet: inout Packet) {
    let isReply: Bool
    let info: UInt8
    switch probe.tracking {
    case .natural, .invalid: return
    case .untracked:
      packet.metadata.conntrackInfo = ConntrackInfo.untracked
      return
    case .new:
      isReply = false
      info = ConntrackInfo.new
    case .established(let reply):
      isReply = reply
      info = reply ? ConntrackInfo.establishedReply : ConntrackInfo.established
    case .related(let reply):
      isReply = reply
      info = reply ? ConntrackInfo.relatedReply : ConntrackInfo.related
    }
    let conntrack = namespace.netfilter.connections
    var opening = namespace.simulation.pool.make(bytes: opening(isReply: isReply))
    guard conntrack.track(&opening, at: .prerouting) == .accept,
      let index = conntrack.table.index(of: opening.metadata.conntrack)
    else { return }
    if probe.tracking != .new {
      _ = conntrack.confirm(&opening)
      let entry = conntrack.table.entry(index)
      entry.pointee.status.insert([.seenReply, .assured, .sourceNATDone, .destinationNATDone])
      entry.pointee.mark = probe.connectionMark
    }
    packet.metadata.conntrack = conntrack.table.reference(index)
    packet.metadata.conntrackInfo = info
  }

  /// A packet that conntrack takes for the beginning of the probe's connection.
  private func opening(isReply: Bool) -> [UInt8] {
    var bytes = probe.bytes
    // A fragment that is the whole.
    bytes[6] = 0
    bytes[7] = 0
    let start = Int(bytes[0] & 15) * 4
    let ports = [6, 17, 33, 132, 136].contains(bytes[9]) && bytes.count >= start + 4
    if isReply {
      bytes.replaceSubrange(12..<20, with: probe.bytes[16..<20] + probe.bytes[12..<16])
      if ports {
        bytes.replaceSubrange(
          start..<(start + 4),
          with: probe.bytes[(start + 2)..<(start + 4)] + probe.bytes[start..<(start + 2)]
        )
      }
    }
    if bytes[9] == IPProtocol.tcp.rawValue, bytes.count > start + 13 { bytes[start + 13] = 2 }
    if bytes[9] == IPProtocol.icmp.rawValue, bytes.count > start + 1 {
      let answers: [UInt8: UInt8] = [0: 8, 14: 13, 16: 15, 18: 17]
      let type = bytes[start]
      bytes[start] = answers[type] ?? ([8, 13, 15, 17].contains(type) ? type : 8)
      bytes[start + 1] = 0
    }
    return withRightChecksums(bytes, start)
  }

  private func withRightChecksums(_ bytes: [UInt8], _ start: Int) -> [UInt8] {
    var bytes = bytes
    func put(_ sum: UInt16, at offset: Int) {
      bytes[offset] = UInt8(sum >> 8)
      bytes[offset + 1] = UInt8(sum & 255)
    }
    put(0, at: 10)
    put(
      bytes.withUnsafeBytes {
        InternetChecksum.checksum(of: UnsafeRawBufferPointer(rebasing: $0[..<start]))
      },
      at: 10
    )
    let place: Int
    switch bytes[9] {
    case 1: place = start + 2
    case 6: place = start + 16
    case 17: place = start + 6
    default: return bytes
    }
    guard bytes.count >= place + 2 else { return bytes }
    put(0, at: place)
    func address(_ at: Int) -> IPv4Address {
      IPv4Address(bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3])
    }
    let initial =
      bytes[9] == 1
      ? 0
      : InternetChecksum.pseudoHeader(
        source: address(12),
        destination: address(16),
        protocol: IPProtocol(rawValue: bytes[9]),
        length: bytes.count - start
      )
    put(
      bytes.withUnsafeBytes {
        InternetChecksum.checksum(
          of: UnsafeRawBufferPointer(rebasing: $0[start...]),
          initial: initial
        )
      },
      at: place
    )
    return bytes
  }
}
