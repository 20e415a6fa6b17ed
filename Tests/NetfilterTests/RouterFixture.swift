import HopyardWire
import Testing

@testable import HopyardSimulator

/// A router with interfaces `lan` (10.0.0.1/24) and `wan` (203.0.113.1/24), without a network:
/// packets are shown to its netfilter hook by hook.
final class RouterFixture: NetfilterEnvironment {
  let simulation = Simulation()
  let namespaceName = "r"
  private(set) var netfilter: Netfilter!
  let lan: InterfaceReference
  let wan: InterfaceReference
  var unreachables: [UInt8] = []
  var resets = 0
  var logLines: [String] = []
  var owner = PacketOwner.none
  /// Whether OUTPUT finds a route again.
  var hasRoute = true
  private(set) var reroutes = 0

  init() {
    lan = InterfaceReference(
      device: 1,
      ifindex: 2,
      nameID: simulation.interfaceNameID("lan")
    )
    wan = InterfaceReference(
      device: 2,
      ifindex: 3,
      nameID: simulation.interfaceNameID("wan")
    )
    netfilter = Netfilter(environment: self)
  }

  /// The rules of a table, as `iptables` edits them.
  func table(_ name: RuleTable) -> LiveTable {
    netfilter.ruleset(.ipv4, .nft).table(name)
  }

  /// Appends a rule.
  func append(_ rule: Rule, to chain: String, in name: RuleTable = .filter) throws {
    try table(name).insert(rule, inChain: chain)
  }

  /// The counters of a rule, numbered from 0.
  func counters(_ rule: Int, of chain: String, in name: RuleTable = .filter) -> RuleCounters {
    let live = table(name)
    guard let index = live.table.index(of: chain) else { return RuleCounters() }
    return live.activity(ofChain: index).counters(of: rule)
  }

  /// Shows a packet to a forwarding router's hooks.
  func forward(
    _ packet: inout Packet,
    from input: InterfaceReference,
    to output: InterfaceReference
  ) -> NetfilterVerdict {
    packet.metadata.type = .host
    packet.metadata.inputDevice = input.device
    var none: InterfaceReference?
    var verdict = netfilter.run(.prerouting, &packet, input: input, output: &none)
    guard verdict == .accept else { return verdict }
    packet.metadata.flags.insert(.forwarded)
    var out: InterfaceReference? = output
    verdict = netfilter.run(.forward, &packet, input: input, output: &out)
    guard verdict == .accept else { return verdict }
    return netfilter.run(.postrouting, &packet, input: input, output: &out)
  }

  /// Shows a packet for the router itself.
  func deliver(_ packet: inout Packet, from input: InterfaceReference) -> NetfilterVerdict {
    packet.metadata.type = .host
    packet.metadata.inputDevice = input.device
    var none: InterfaceReference?
    let verdict = netfilter.run(.prerouting, &packet, input: input, output: &none)
    guard verdict == .accept else { return verdict }
    return netfilter.run(.input, &packet, input: input, output: &none)
  }

  /// Shows a packet that the router sends.
  func send(_ packet: inout Packet, to output: InterfaceReference) -> NetfilterVerdict {
    var out: InterfaceReference? = output
    let verdict = netfilter.run(.output, &packet, input: nil, output: &out)
    guard verdict == .accept else { return verdict }
    return netfilter.run(.postrouting, &packet, input: nil, output: &out)
  }

  func advance(seconds: Double) {
    simulation.run(until: simulation.now + Int64(seconds * 1e9))
  }

  // MARK: Packets

  func ip(
    _ source: String,
    _ destination: String,
    _ proto: IPProtocol,
    payload: [UInt8],
    ttl: UInt8 = 64
  ) -> Packet {
    let total = 20 + payload.count
    var packet = simulation.pool.make(count: total)
    packet.setU8(0x45, at: 0)
    packet.setU8(0, at: 1)
    packet.setU16(UInt16(total), at: 2)
    packet.setU32(0, at: 4)
    packet.setU8(ttl, at: 8)
    packet.setU8(proto.rawValue, at: 9)
    packet.setU16(0, at: 10)
    packet.setIPv4(IPv4Address(source) ?? .any, at: 12)
    packet.setIPv4(IPv4Address(destination) ?? .any, at: 16)
    packet.setU16(
      packet.withBytes {
        InternetChecksum.checksum(of: UnsafeRawBufferPointer(rebasing: $0[..<20]))
      },
      at: 10
    )
    for (offset, byte) in payload.enumerated() { packet.setU8(byte, at: 20 + offset) }
    return packet
  }

  private func transport(
    _ source: String,
    _ destination: String,
    _ proto: IPProtocol,
    _ segment: [UInt8],
    checksumAt offset: Int
  ) -> Packet {
    var segment = segment
    let initial = InternetChecksum.pseudoHeader(
      source: IPv4Address(source) ?? .any,
      destination: IPv4Address(destination) ?? .any,
      protocol: proto,
      length: segment.count
    )
    let checksum = segment.withUnsafeBytes {
      InternetChecksum.checksum(of: $0, initial: initial)
    }
    segment[offset] = UInt8(checksum >> 8)
    segment[offset + 1] = UInt8(checksum & 255)
    return ip(source, destination, proto, payload: segment)
  }

  func udp(
    _ source: String,
    _ sourcePort: UInt16,
    _ destination: String,
    _ destinationPort: UInt16,
    length: Int = 4
  ) -> Packet {
    var segment: [UInt8] = [
      UInt8(sourcePort >> 8), UInt8(sourcePort & 255), UInt8(destinationPort >> 8),
      UInt8(destinationPort & 255), UInt8((8 + length) >> 8), UInt8((8 + length) & 255), 0, 0,
    ]
    segment += [UInt8](repeating: 0x61, count: length)
    return transport(source, destination, .udp, segment, checksumAt: 6)
  }

  func tcp(
    _ source: String,
    _ sourcePort: UInt16,
    _ destination: String,
    _ destinationPort: UInt16,
    flags: UInt8,
    sequence: UInt32 = 0,
    ack: UInt32 = 0,
    payload: Int = 0,
    window: UInt16 = 65000
  ) -> Packet {
    func bytes(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(value >> (24 - 8 * $0) & 255) } }
    var segment: [UInt8] = [
      UInt8(sourcePort >> 8), UInt8(sourcePort & 255), UInt8(destinationPort >> 8),
      UInt8(destinationPort & 255),
    ]
    segment += bytes(sequence) + bytes(ack)
    segment += [0x50, flags, UInt8(window >> 8), UInt8(window & 255), 0, 0, 0, 0]
    segment += [UInt8](repeating: 0x62, count: payload)
    return transport(source, destination, .tcp, segment, checksumAt: 16)
  }

  func ping(_ source: String, _ destination: String, id: UInt16, reply: Bool = false) -> Packet {
    icmp(
      source,
      destination,
      type: reply ? 0 : 8,
      code: 0,
      rest: UInt32(id) << 16 | 1,
      data: [1, 2]
    )
  }

  func icmp(
    _ source: String,
    _ destination: String,
    type: UInt8,
    code: UInt8,
    rest: UInt32 = 0,
    data: [UInt8] = []
  ) -> Packet {
    var message: [UInt8] = [type, code, 0, 0]
    message += (0..<4).map { UInt8(rest >> (24 - 8 * $0) & 255) }
    message += data
    let checksum = message.withUnsafeBytes { InternetChecksum.checksum(of: $0) }
    message[2] = UInt8(checksum >> 8)
    message[3] = UInt8(checksum & 255)
    return ip(source, destination, .icmp, payload: message)
  }

  // MARK: Environment

  func interfaceName(_ device: UInt32) -> String {
    device == 1 ? "lan" : device == 2 ? "wan" : ""
  }
  func interfaceReference(_ device: UInt32) -> InterfaceReference? {
    device == 1 ? lan : device == 2 ? wan : nil
  }
  func addressType(of address: IPv4Address, on ifindex: Int32?) -> RouteType {
    address == IPv4Address(10, 0, 0, 1) || address == IPv4Address(203, 0, 113, 1)
      ? .local : .unicast
  }
  func sourceAddress(
    toward destination: IPv4Address,
    output: InterfaceReference
  ) -> IPv4Address? { firstAddress(of: output.device) }
  func firstAddress(of device: UInt32) -> IPv4Address? {
    device == 1 ? IPv4Address(10, 0, 0, 1) : IPv4Address(203, 0, 113, 1)
  }
  func reroute(_ packet: inout Packet) -> InterfaceReference? {
    reroutes += 1
    return hasRoute ? wan : nil
  }
  func defragment(_ packet: inout Packet, at hook: Hook) -> Bool { true }
  func sendUnreachable(
    about packet: borrowing Packet,
    code: UInt8,
    hook: Hook,
    input: InterfaceReference?
  ) { unreachables.append(code) }
  func sendReset(about packet: borrowing Packet, hook: Hook, input: InterfaceReference?) {
    resets += 1
  }
  func sendCopy(of packet: borrowing Packet, toward gateway: IPv4Address, output: String?) {}
  func owner(of packet: borrowing Packet) -> PacketOwner { owner }
  func isReversePathRight(
    of packet: borrowing Packet,
    input: InterfaceReference,
    loose: Bool,
    acceptLocal: Bool,
    validMark: Bool
  ) -> Bool { true }
  func routeRealms(
    of packet: borrowing Packet,
    input: InterfaceReference?,
    output: InterfaceReference?
  ) -> UInt32 { 0 }

  func hasSocket(for packet: borrowing Packet, onlyTransparent: Bool, noWildcard: Bool) -> Bool {
    false
  }
  func assignSocket(
    _ packet: inout Packet,
    address: IPv4Address,
    port: UInt16,
    input: InterfaceReference?
  ) -> Bool { false }
  func smallestPathMTU(of packet: borrowing Packet, output: InterfaceReference?) -> Int { 1400 }
  func log(_ line: String) { logLines.append(line) }
}

/// Whether all checksums of a packet are right.
func hasRightChecksums(_ packet: borrowing Packet) -> Bool {
  packet.withBytes { bytes in
    let header = Int(bytes[0] & 15) * 4
    guard InternetChecksum.isValid(UnsafeRawBufferPointer(rebasing: bytes[..<header])) else {
      return false
    }
    let rest = UnsafeRawBufferPointer(rebasing: bytes[header...])
    switch bytes[9] {
    case 1: return InternetChecksum.isValid(rest)
    case 6, 17:
      func address(_ at: Int) -> IPv4Address {
        IPv4Address(bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3])
      }
      return InternetChecksum.isValid(
        rest,
        initial: InternetChecksum.pseudoHeader(
          source: address(12),
          destination: address(16),
          protocol: IPProtocol(rawValue: bytes[9]),
          length: rest.count
        )
      )
    default: return true
    }
  }
}

/// Expects all checksums of a packet to be right.
func expectRightChecksums(
  _ packet: borrowing Packet,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  let isRight = hasRightChecksums(packet)
  #expect(isRight, sourceLocation: sourceLocation)
}
