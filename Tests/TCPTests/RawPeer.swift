import HopyardSimulator
import HopyardWire

/// A host under test, and a peer whose segments a test makes by hand.
final class RawPeer {
  /// A segment that the host sent.
  struct Segment {
    var time: Instant
    var flags: UInt8
    var sequence: UInt32
    var acknowledgement: UInt32
    var window: Int
    var options: [UInt8]
    var payload: [UInt8]
    var tos: UInt8
    var ttl: UInt8
    var sourcePort: UInt16

    func has(_ flag: UInt8) -> Bool { flags & flag != 0 }
  }

  static let fin: UInt8 = 1
  static let syn: UInt8 = 2
  static let rst: UInt8 = 4
  static let psh: UInt8 = 8
  static let ack: UInt8 = 16
  static let urg: UInt8 = 32
  static let ece: UInt8 = 64
  static let cwr: UInt8 = 128

  let simulation = Simulation()
  let host: NetworkNamespace
  let hostAddress = IPv4Address(rawValue: 0x0a00_0001)
  let address = IPv4Address(rawValue: 0x0a00_0002)
  private let machine: Machine
  private let wire: PacketSocket
  private let hostMAC: MACAddress
  private(set) var sent: [Segment] = []
  /// The next number that the peer sends, and the one that it expects.
  var sequence: UInt32 = 5000
  var acknowledgement: UInt32 = 0
  var port: UInt16 = 1234
  var hostPort: UInt16 = 80

  init() throws {
    machine = Machine(simulation: simulation)
    host = machine.makeNamespace("host")
    let peer = machine.makeNamespace("peer")
    let (near, far) = try host.makeVeth(NewLink("eth0"), peer: NewLink("eth0"), in: peer)
    try host.addAddress(InterfaceAddress<UInt32>(local: 0x0a00_0001, prefixLength: 24), to: near)
    try host.setLinkUp(near)
    try peer.setLinkUp(far)
    wire = peer.sockets.makePacket()
    try wire.bind(ifindex: far.ifindex)
    hostMAC = near.mac
    try host.setNeighbour(
      address,
      on: near,
      linkAddress: far.mac,
      state: .permanent,
      .add
    )
    wire.onFrame = { [unowned self] bytes, time, direction, _ in
      if direction == .incoming { take([UInt8](bytes), time) }
    }
  }

  private func take(_ frame: [UInt8], _ time: Instant) {
    guard frame.count >= 54, frame[12] == 8, frame[13] == 0, frame[23] == 6 else { return }
    let total = Int(frame[16]) << 8 | Int(frame[17])
    func word(_ at: Int) -> UInt16 { UInt16(frame[at]) << 8 | UInt16(frame[at + 1]) }
    func long(_ at: Int) -> UInt32 { UInt32(word(at)) << 16 | UInt32(word(at + 2)) }
    let end = 34 + Int(frame[46] >> 4) * 4
    sent.append(
      Segment(
        time: time,
        flags: frame[47],
        sequence: long(38),
        acknowledgement: long(42),
        window: Int(word(48)),
        options: Array(frame[54..<end]),
        payload: Array(frame[end..<14 + total]),
        tos: frame[15],
        ttl: frame[22],
        sourcePort: word(34)
      )
    )
  }

  func run(for nanoseconds: Int64) { simulation.run(until: simulation.now + nanoseconds) }

  /// Takes what the host sent since the last time.
  func takeSent() -> [Segment] {
    run(for: .microseconds(200))
    defer { sent = [] }
    return sent
  }

  /// Sends a segment; without a number at the peer's present place.
  func send(
    _ flags: UInt8,
    _ payload: [UInt8] = [],
    at number: UInt32? = nil,
    ack: UInt32? = nil,
    window: UInt16 = 32_000,
    options: [UInt8] = [],
    urgent: UInt16 = 0,
    to destination: IPv4Address? = nil,
    from source: IPv4Address? = nil,
    tos: UInt8 = 0,
    breaksChecksum: Bool = false
  ) throws {
    var padded = options
    while padded.count % 4 != 0 { padded.append(0) }
    var tcp = Self.bytes(port) + Self.bytes(hostPort)
    tcp += Self.bytes(number ?? sequence)
    tcp += Self.bytes(flags & Self.ack != 0 ? ack ?? acknowledgement : 0)
    tcp += [UInt8((20 + padded.count) / 4) << 4, flags] + Self.bytes(window) + [0, 0]
    tcp += Self.bytes(urgent) + padded + payload
    let from = source ?? address
    let to = destination ?? hostAddress
    let pseudo = InternetChecksum.pseudoHeader(
      source: from,
      destination: to,
      protocol: .tcp,
      length: tcp.count
    )
    var sum = tcp.withUnsafeBytes { InternetChecksum.checksum(of: $0, initial: pseudo) }
    if breaksChecksum { sum ^= 0x0101 }
    tcp.replaceSubrange(16..<18, with: Self.bytes(sum))
    try sendIP(tcp, protocol: 6, from: from, to: to, tos: tos)
    if number == nil {
      sequence = sequence &+ UInt32(payload.count) &+ (flags & 3 != 0 ? 1 : 0)
    }
  }

  /// Sends an ICMP error about a segment of the connection.
  func sendError(type: UInt8, code: UInt8, mtu: UInt32 = 0, about number: UInt32) throws {
    var quoted: [UInt8] = [0x45, 0] + Self.bytes(UInt16(1500)) + [0, 1, 0x40, 0, 64, 6, 0, 0]
    quoted += Self.bytes(hostAddress.rawValue) + Self.bytes(address.rawValue)
    quoted += Self.bytes(hostPort) + Self.bytes(port) + Self.bytes(number)
    var message: [UInt8] = [type, code, 0, 0] + Self.bytes(mtu) + quoted
    let sum = message.withUnsafeBytes { InternetChecksum.checksum(of: $0) }
    message.replaceSubrange(2..<4, with: Self.bytes(sum))
    try sendIP(message, protocol: 1, from: address, to: hostAddress, tos: 0)
  }

  private func sendIP(
    _ payload: [UInt8],
    protocol number: UInt8,
    from: IPv4Address,
    to: IPv4Address,
    tos: UInt8
  ) throws {
    var header: [UInt8] = [0x45, tos] + Self.bytes(UInt16(20 + payload.count))
    header += [0, 1, 0x40, 0, 64, number, 0, 0]
    header += Self.bytes(from.rawValue) + Self.bytes(to.rawValue)
    let sum = header.withUnsafeBytes { InternetChecksum.checksum(of: $0) }
    header.replaceSubrange(10..<12, with: Self.bytes(sum))
    let mac = (0..<6).map { UInt8(truncatingIfNeeded: hostMAC.rawValue >> UInt64(40 - 8 * $0)) }
    try wire.send(frame: mac + [2, 0, 0, 0, 0, 9, 8, 0] + header + payload)
  }

  static func bytes(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 255)] }
  static func bytes(_ value: UInt32) -> [UInt8] {
    bytes(UInt16(value >> 16)) + bytes(UInt16(value & 0xffff))
  }

  // MARK: Connections

  func listen(_ prepare: (TCPSocket) -> Void = { _ in }) throws -> TCPSocket {
    let listener = host.sockets.makeTCP()
    prepare(listener)
    try listener.bind(port: hostPort)
    try listener.listen()
    return listener
  }

  /// The peer opens a connection to a listener.
  func open(_ listener: TCPSocket, options: [UInt8] = [2, 4, 5, 0xb4]) throws -> TCPSocket {
    try send(Self.syn, options: options)
    guard let answer = takeSent().last, answer.flags == Self.syn | Self.ack else {
      throw SocketError.connectionRefused
    }
    acknowledgement = answer.sequence &+ 1
    try send(Self.ack)
    run(for: .microseconds(200))
    sent = []
    guard let socket = listener.accept() else { throw SocketError.connectionRefused }
    return socket
  }

  /// The host opens a connection, which the peer takes.
  func takeConnection(options: [UInt8] = [2, 4, 5, 0xb4]) throws -> TCPSocket {
    let socket = host.sockets.makeTCP()
    try socket.connect(to: address, port: port)
    guard let first = takeSent().first, first.flags & Self.syn != 0 else {
      throw SocketError.connectionRefused
    }
    hostPort = first.sourcePort
    acknowledgement = first.sequence &+ 1
    try send(Self.syn | Self.ack, options: options)
    run(for: .microseconds(200))
    sent = []
    return socket
  }
}
