import Hopyard

/// The far end of the wire in a packetdrill run: puts the script's segments on it and takes what the
/// kernel sends off it.
final class PacketdrillWire {
  /// A segment that the kernel sent.
  struct Segment {
    var time: Int64
    var flags: String
    var sequence: UInt32
    var acknowledgement: UInt32
    var window: Int
    var count: Int
    var options: [String]
    var timestamp: (value: UInt32, echo: UInt32)?
    var tos: UInt8
    var ttl: UInt8
    var sourcePort: UInt16
    var destinationPort: UInt16

    var text: String {
      "\(flags) \(sequence)(\(count)) ack \(acknowledgement) win \(window) "
        + "<\(options.joined(separator: ","))>"
    }
  }

  let local: IPv4Address
  let remote: IPv4Address
  /// The ports: the kernel's, and the script's.
  var localPort: UInt16 = 8080
  var remotePort: UInt16 = 40_508
  private let device: TunDevice
  private(set) var sent: [Segment] = []
  private var first = 0
  private var identification: UInt16 = 0

  init(
    _ device: TunDevice,
    _ simulation: Simulation,
    local: IPv4Address,
    remote: IPv4Address
  ) {
    self.device = device
    self.local = local
    self.remote = remote
    simulation.spawn { [self] in
      while true {
        while let packet = device.take() { take(packet, simulation.now.nanoseconds / 1000) }
        _ = await simulation.wait(on: [device.readable])
      }
    }
  }

  /// The next segment that was not looked at.
  var next: Segment? { first < sent.count ? sent[first] : nil }

  func skip() { first += 1 }

  private func take(_ frame: [UInt8], _ time: Int64) {
    guard frame.count >= 40, frame[9] == 6 else { return }
    let ip = 0
    let tcp = ip + Int(frame[ip] & 15) * 4
    let total = Int(frame[ip + 2]) << 8 | Int(frame[ip + 3])
    func word(_ at: Int) -> UInt16 { UInt16(frame[at]) << 8 | UInt16(frame[at + 1]) }
    func long(_ at: Int) -> UInt32 { UInt32(word(at)) << 16 | UInt32(word(at + 2)) }
    guard frame.count >= tcp + 20, frame.count >= ip + total else { return }
    let end = tcp + Int(frame[tcp + 12] >> 4) * 4
    let names: [(UInt8, String)] = [
      (2, "S"), (1, "F"), (4, "R"), (8, "P"), (16, "."), (64, "E"), (128, "W"),
    ]
    let bits = frame[tcp + 13]
    var segment = Segment(
      time: time,
      flags: names.filter { bits & $0.0 != 0 }.map(\.1).joined(),
      sequence: long(tcp + 4),
      acknowledgement: long(tcp + 8),
      window: Int(word(tcp + 14)),
      count: ip + total - end,
      options: [],
      timestamp: nil,
      tos: frame[ip + 1],
      ttl: frame[ip + 8],
      sourcePort: word(tcp),
      destinationPort: word(tcp + 2)
    )
    var at = tcp + 20
    while at < end {
      let kind = frame[at]
      if kind == 0 {
        segment.options.append("eol")
        break
      }
      if kind == 1 {
        segment.options.append("nop")
        at += 1
        continue
      }
      guard at + 1 < end else { break }
      let size = Int(frame[at + 1])
      guard size >= 2, at + size <= end else { break }
      switch kind {
      case 2: segment.options.append("mss \(word(at + 2))")
      case 3: segment.options.append("wscale \(frame[at + 2])")
      case 4: segment.options.append("sackOK")
      case 5:
        var text = "sack"
        for block in 0..<(size - 2) / 8 {
          text += " \(long(at + 2 + block * 8)):\(long(at + 6 + block * 8))"
        }
        segment.options.append(text)
      case 8:
        segment.timestamp = (long(at + 2), long(at + 6))
        segment.options.append("TS")
      default: segment.options.append("option \(kind)")
      }
      at += size
    }
    sent.append(segment)
  }

  // MARK: Sending

  /// Puts a segment with ready option bytes on the wire.
  func send(
    flags: String,
    sequence: UInt32,
    acknowledgement: UInt32,
    window: Int,
    urgent: UInt16,
    count: Int,
    options: [UInt8],
    tos: UInt8,
    ttl: UInt8
  ) {
    let bits: [Character: UInt8] = [
      "F": 1, "S": 2, "R": 4, "P": 8, ".": 16, "U": 32, "E": 64, "W": 128,
    ]
    var padded = options
    while padded.count % 4 != 0 { padded.append(0) }
    var tcp = Self.bytes(remotePort) + Self.bytes(localPort)
    tcp += Self.bytes(sequence) + Self.bytes(acknowledgement)
    tcp += [UInt8((20 + padded.count) / 4) << 4, flags.reduce(0) { $0 | (bits[$1] ?? 0) }]
    tcp += Self.bytes(UInt16(truncatingIfNeeded: window)) + [0, 0] + Self.bytes(urgent) + padded
    tcp += [UInt8](repeating: 0x61, count: count)
    let pseudo = InternetChecksum.pseudoHeader(
      source: remote,
      destination: local,
      protocol: .tcp,
      length: tcp.count
    )
    let sum = tcp.withUnsafeBytes { InternetChecksum.checksum(of: $0, initial: pseudo) }
    tcp.replaceSubrange(16..<18, with: Self.bytes(sum))
    sendIP(tcp, protocol: 6, tos: tos, ttl: ttl)
  }

  /// Sends an ICMP error about a segment that the kernel sent.
  func sendICMP(type: UInt8, code: UInt8, info: UInt32, sequence: UInt32) {
    var quoted: [UInt8] = [0x45, 0] + Self.bytes(UInt16(1500)) + [0, 1, 0x40, 0, 64, 6, 0, 0]
    quoted += Self.bytes(local.rawValue) + Self.bytes(remote.rawValue)
    quoted += Self.bytes(localPort) + Self.bytes(remotePort) + Self.bytes(sequence)
    var icmp: [UInt8] = [type, code, 0, 0] + Self.bytes(info) + quoted
    let sum = icmp.withUnsafeBytes { InternetChecksum.checksum(of: $0) }
    icmp.replaceSubrange(2..<4, with: Self.bytes(sum))
    sendIP(icmp, protocol: 1, tos: 0, ttl: 255)
  }

  private func sendIP(_ payload: [UInt8], protocol number: UInt8, tos: UInt8, ttl: UInt8) {
    identification &+= 1
    var header: [UInt8] = [0x45, tos] + Self.bytes(UInt16(20 + payload.count))
    header += Self.bytes(identification) + [0, 0, ttl, number, 0, 0]
    header += Self.bytes(remote.rawValue) + Self.bytes(local.rawValue)
    let sum = header.withUnsafeBytes { InternetChecksum.checksum(of: $0) }
    header.replaceSubrange(10..<12, with: Self.bytes(sum))
    _ = device.write(header + payload)
  }

  static func bytes(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 255)] }
  static func bytes(_ value: UInt32) -> [UInt8] {
    bytes(UInt16(value >> 16)) + bytes(UInt16(value & 0xffff))
  }
}
