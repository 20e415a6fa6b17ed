import HopyardSimulator
import HopyardWire

/// A UDP socket of a program.
public final class UDPEndpoint {
  /// The kernel's socket, for its options.
  public let socket: UDPSocket
  /// The program that it belongs to.
  public let program: Program

  /// Makes a socket; it is bound where an address or a port is given.
  public init(
    _ program: Program,
    address: IPv4Address = .any,
    port: UInt16 = 0,
    prepare: (UDPSocket) -> Void = { _ in }
  ) throws(SocketError) {
    self.program = program
    socket = program.namespace.sockets.makeUDP()
    program.own(socket)
    prepare(socket)
    guard address != .any || port != 0 else { return }
    do throws(SocketError) {
      try socket.bind(address: address, port: port)
    } catch {
      socket.close()
      throw error
    }
  }

  /// Makes a socket that sends to a peer and hears it only.
  public convenience init(
    _ program: Program,
    connectedTo address: IPv4Address,
    port: UInt16,
    prepare: (UDPSocket) -> Void = { _ in }
  ) throws(SocketError) {
    try self.init(program, prepare: prepare)
    do throws(SocketError) {
      try socket.connect(to: address, port: port)
    } catch {
      socket.close()
      throw error
    }
  }

  /// The local end.
  public var local: SocketAddress { SocketAddress(socket.localAddress, socket.localPort) }

  /// Sends a datagram to the peer, or to the address given, from a local address if one is given
  /// (`IP_PKTINFO`).
  public func send(
    _ bytes: [UInt8],
    to address: IPv4Address? = nil,
    port: UInt16? = nil,
    from source: IPv4Address? = nil
  ) throws(SocketError) {
    try socket.send(bytes, to: address, port: port, from: source)
  }

  /// The next datagram; nil when the deadline passed or the socket was closed.
  ///
  /// An error that an ICMP message brought is thrown.
  public func receive(until deadline: Instant? = nil) async throws(SocketError) -> Datagram? {
    while !socket.isClosed {
      if let error = socket.takeError() { throw error }
      if let datagram = socket.receive() { return datagram }
      if try await !program.wait(on: [socket.readable], until: deadline), !socket.hasData,
        socket.pendingError == nil
      {
        return nil
      }
    }
    return nil
  }

  /// Closes the socket.
  public func close() { socket.close() }
}

/// A raw IPv4 socket of a program (`raw(7)`): ICMP echo, OSPF, or any other protocol.
public final class RawEndpoint {
  /// The kernel's socket, for its options.
  public let socket: RawSocket
  /// The program that it belongs to.
  public let program: Program

  /// Makes a socket that sends and hears one protocol.
  public init(_ program: Program, _ ipProtocol: IPProtocol) {
    self.program = program
    socket = program.namespace.sockets.makeRaw(ipProtocol)
    program.own(socket)
  }

  /// Sends a payload, or a whole packet with `includesHeader`.
  public func send(_ bytes: [UInt8], to address: IPv4Address) throws(SocketError) {
    try socket.send(bytes, to: address)
  }

  /// The next packet, with its IP header; nil when the deadline passed.
  public func receive(until deadline: Instant? = nil) async throws(SocketError) -> Datagram? {
    while !socket.isClosed {
      if let error = socket.takeError() { throw error }
      if let datagram = socket.receive() { return datagram }
      if try await !program.wait(on: [socket.readable], until: deadline), !socket.hasData {
        return nil
      }
    }
    return nil
  }

  /// Sends one ICMP echo request and waits for its reply; gives the time between, in nanoseconds, or
  /// nil when none came.
  public func ping(
    _ address: IPv4Address,
    identifier: UInt16,
    sequence: UInt16,
    size: Int = 56,
    timeout: Int64 = .seconds(1)
  ) async throws(SocketError) -> Int64? {
    var message: [UInt8] = [8, 0, 0, 0]
    message += [UInt8(identifier >> 8), UInt8(identifier & 255)]
    message += [UInt8(sequence >> 8), UInt8(sequence & 255)]
    message += (0..<max(0, min(size, 65_507))).map { UInt8(truncatingIfNeeded: $0) }
    let sum = message.withUnsafeBytes { InternetChecksum.checksum(of: $0) }
    message[2] = UInt8(sum >> 8)
    message[3] = UInt8(sum & 255)
    let sent = program.simulation.now
    try send(message, to: address)
    while let datagram = try await receive(until: sent + timeout) {
      let header = datagram.bytes.first.map { Int($0 & 15) * 4 } ?? 0
      let reply = Array(datagram.bytes.dropFirst(header).prefix(8))
      if reply.count == 8, reply[0] == 0, reply[4...] == message[4..<8] {
        return datagram.time - sent
      }
    }
    return nil
  }

  /// Closes the socket.
  public func close() { socket.close() }
}

/// A packet socket of a program (`packet(7)`): whole frames.
public final class PacketEndpoint {
  /// The kernel's socket, for its options.
  public let socket: PacketSocket
  /// The program that it belongs to.
  public let program: Program

  /// Makes a socket that hears an EtherType, or all, on a device, or on all.
  public init(_ program: Program, device: String? = nil, etherType: EtherType? = nil)
    throws(SocketError)
  {
    self.program = program
    socket = program.namespace.sockets.makePacket(etherType: etherType)
    program.own(socket)
    guard let device else { return }
    guard let found = program.namespace.devices[device] else {
      socket.close()
      throw .noSuchDevice
    }
    try socket.bind(ifindex: found.ifindex)
  }

  /// Sends a frame.
  public func send(_ frame: [UInt8]) throws(SocketError) { try socket.send(frame: frame) }

  /// The next frame; nil when the deadline passed.
  public func receive(until deadline: Instant? = nil) async throws(SocketError) -> Datagram? {
    while !socket.isClosed {
      if let error = socket.takeError() { throw error }
      if let datagram = socket.receive() { return datagram }
      if try await !program.wait(on: [socket.readable], until: deadline), !socket.hasData {
        return nil
      }
    }
    return nil
  }

  /// Closes the socket.
  public func close() { socket.close() }
}
