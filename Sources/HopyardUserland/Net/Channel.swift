import HopyardSimulator
import HopyardWire

/// What came of an attempt to read.
enum ChannelInput {
  /// Nothing is there yet.
  case nothing
  /// There will be no more.
  case end
  /// A piece of the stream, or a datagram, which may be empty.
  case data([UInt8])
  /// The operation failed.
  case failed(SocketError)
}

/// One side of what `nc` and `socat` relay between: a socket, or a pair of files.
class Channel {
  /// Woken when there may be something to read; nil if reading never waits.
  var input: WaitQueue? { nil }
  /// Woken when there may be room to write; nil if writing never waits.
  var output: WaitQueue? { nil }
  /// Whether each piece is a datagram, so that an empty one is not the end.
  var isDatagram: Bool { false }
  /// The descriptors to read from and to write to, for messages.
  var descriptors = (read: 0, write: 0)
  /// Whether it ends after the first piece.
  var endsAfterOne = false

  func receive(_ limit: Int) -> ChannelInput { .end }
  /// How many bytes were taken; 0 when there is no room.
  func send(_ bytes: [UInt8]) throws(SocketError) -> Int { 0 }
  func shutdownWrite() {}
  func close() {}
  /// An error that waits to be told.
  var hasError: Bool { false }
  /// What `socat` says it calls to write.
  func writeCall(_ count: Int) -> String {
    "write(\(descriptors.write), \(Channel.address), \(count))"
  }
  /// What stands for a buffer's address in messages.
  static let address = "0x5581e0c0b000"
}

/// Files: one to read from, one to write to.
final class FileChannel: Channel {
  private var reader: OpenFile?
  private var writer: OpenFile?

  init(reader: OpenFile?, writer: OpenFile?) {
    self.reader = reader
    self.writer = writer
    super.init()
    reader?.retain()
    writer?.retain()
  }

  override var input: WaitQueue? { reader?.readable }
  override var output: WaitQueue? { writer?.writable }

  override func receive(_ limit: Int) -> ChannelInput {
    guard let reader else { return .end }
    do {
      guard let bytes = try reader.receive(limit) else { return .nothing }
      return bytes.isEmpty ? .end : .data(bytes)
    } catch {
      return .failed(SocketError(rawValue: error.rawValue) ?? .invalidArgument)
    }
  }

  override func send(_ bytes: [UInt8]) throws(SocketError) -> Int {
    guard let writer else { throw .brokenPipe }
    do {
      return try writer.tryWrite(bytes[...])
    } catch {
      throw SocketError(rawValue: error.rawValue) ?? .invalidArgument
    }
  }

  /// Only pipes and socket pairs have an end that the reader sees.
  var closesWriter = false

  override func shutdownWrite() {
    guard closesWriter else { return }
    writer?.release()
    writer = nil
  }

  override func close() {
    reader?.release()
    writer?.release()
    reader = nil
    writer = nil
  }
}

/// A UDP socket, connected or with a fixed destination.
final class UDPChannel: Channel {
  let socket: UDPSocket
  /// Where datagrams go when the socket is not connected.
  var destination: (address: IPv4Address, port: UInt16)?
  /// Whether only answers of the destination are taken.
  var takesOnlyDestination = false
  /// A datagram that was taken before the channel was made.
  var first: Datagram?
  /// Whether an empty datagram ends the stream.
  var emptyIsEnd = false
  /// Whether the end of what is sent is an empty datagram.
  var endIsEmpty = false
  /// Told of each datagram that came.
  var onDatagram: ((Datagram) -> Void)?
  /// Whether anything may be sent.
  var maySend = true
  private var closing: (() -> Void)?

  init(_ socket: UDPSocket, closing: (() -> Void)? = nil) {
    self.socket = socket
    self.closing = closing ?? { socket.close() }
  }

  override var input: WaitQueue? { socket.readable }
  override var isDatagram: Bool { true }
  override var hasError: Bool { socket.pendingError != nil }

  override func receive(_ limit: Int) -> ChannelInput {
    if let first {
      self.first = nil
      return take(first, limit)
    }
    if let error = socket.takeError() { return .failed(error) }
    while let datagram = socket.receive() {
      if takesOnlyDestination, let destination,
        datagram.source != destination.address || datagram.sourcePort != destination.port
      {
        continue
      }
      return take(datagram, limit)
    }
    return .nothing
  }

  private func take(_ datagram: Datagram, _ limit: Int) -> ChannelInput {
    onDatagram?(datagram)
    if datagram.bytes.isEmpty && emptyIsEnd { return .end }
    return .data(Array(datagram.bytes.prefix(limit)))
  }

  override func send(_ bytes: [UInt8]) throws(SocketError) -> Int {
    try socket.send(bytes, to: destination?.address, port: destination?.port)
    return bytes.count
  }

  override func shutdownWrite() {
    if endIsEmpty { try? socket.send([], to: destination?.address, port: destination?.port) }
  }

  override func close() {
    closing?()
    closing = nil
  }

  override func writeCall(_ count: Int) -> String {
    guard let destination else { return super.writeCall(count) }
    return "sendto(\(descriptors.write), \(Channel.address), \(count), 0, "
      + "AF=2 \(destination.address):\(destination.port), 16)"
  }
}

/// A raw IPv4 socket that sends and hears payloads of one protocol.
final class RawChannel: Channel {
  let socket: RawSocket
  var destination: IPv4Address?
  var takesOnlyDestination = false

  init(_ socket: RawSocket) { self.socket = socket }

  override var input: WaitQueue? { socket.readable }
  override var isDatagram: Bool { true }
  override var hasError: Bool { socket.pendingError != nil }

  override func receive(_ limit: Int) -> ChannelInput {
    if let error = socket.takeError() { return .failed(error) }
    while let datagram = socket.receive() {
      if takesOnlyDestination, datagram.source != destination { continue }
      let headerLength = datagram.bytes.first.map { Int($0 & 15) * 4 } ?? 0
      return .data(Array(datagram.bytes.dropFirst(headerLength).prefix(limit)))
    }
    return .nothing
  }

  override func send(_ bytes: [UInt8]) throws(SocketError) -> Int {
    guard let destination else { throw .destinationRequired }
    try socket.send(bytes, to: destination)
    return bytes.count
  }

  override func close() { socket.close() }

  override func writeCall(_ count: Int) -> String {
    "sendto(\(descriptors.write), \(Channel.address), \(count), 0, "
      + "AF=2 \(destination ?? .any):0, 16)"
  }
}

/// A packet socket on one interface: whole frames.
final class PacketChannel: Channel {
  let socket: PacketSocket

  init(_ socket: PacketSocket) { self.socket = socket }

  override var input: WaitQueue? { socket.readable }
  override var isDatagram: Bool { true }
  override var hasError: Bool { socket.pendingError != nil }

  override func receive(_ limit: Int) -> ChannelInput {
    if let error = socket.takeError() { return .failed(error) }
    while let datagram = socket.receive() {
      if datagram.packetType == .outgoing { continue }
      return .data(Array(datagram.bytes.prefix(limit)))
    }
    return .nothing
  }

  override func send(_ bytes: [UInt8]) throws(SocketError) -> Int {
    try socket.send(frame: bytes)
    return bytes.count
  }

  override func close() { socket.close() }

  override func writeCall(_ count: Int) -> String {
    "sendto(\(descriptors.write), \(Channel.address), \(count), 0, "
      + "AF=17 AF=17 0x00030000000000000000000000000000, 112)"
  }
}
