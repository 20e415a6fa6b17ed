import HopyardWire

/// A raw IPv4 socket: it sends and hears whole packets of one protocol (`raw(7)`), or ICMP echo
/// messages of one identifier for a ping socket (`icmp(7)`).
public final class RawSocket: Socket {
  /// The protocol; 255 sends any and hears none.
  public let ipProtocol: IPProtocol
  /// The local address; `any` if not bound.
  public internal(set) var localAddress = IPv4Address.any
  /// The peer of a connected socket.
  public internal(set) var remoteAddress = IPv4Address.any
  /// `ICMP_FILTER`: bits of ICMP types that are not wanted.
  public var icmpFilter: UInt32 = 0
  /// Said with the next packet that the neighbour was heard from (`MSG_CONFIRM`).
  public var confirmsNeighbour = false

  init(number: UInt32, table: SocketTable, ipProtocol: IPProtocol) {
    self.ipProtocol = ipProtocol
    super.init(number: number, table: table)
  }

  /// Binds to a local address.
  public func bind(address: IPv4Address) throws(SocketError) {
    if address != .any && !options.isTransparent && stack.settings.nonlocalBind == 0 {
      guard table.isBindable(address) else { throw .addressNotAvailable }
    }
    localAddress = address
  }

  /// Connects to a peer.
  public func connect(to address: IPv4Address) throws(SocketError) {
    var output = outputOptions(to: address.rawValue, ipProtocol)
    output.source = localAddress.rawValue
    let route = try self.route(output)
    if localAddress == .any { localAddress = IPv4Address(rawValue: route.source) }
    remoteAddress = address
  }

  /// Sends a packet's payload, or a whole packet with `includesHeader`.
  public func send(_ bytes: [UInt8], to address: IPv4Address? = nil) throws(SocketError) {
    if let error = takeError() { throw error }
    let destination = address ?? remoteAddress
    guard destination != .any || address != nil else { throw .destinationRequired }
    var output = outputOptions(to: destination.rawValue, ipProtocol)
    output.source = localAddress.rawValue
    output.confirmsNeighbour = confirmsNeighbour
    if options.includesHeader { return try sendWithHeader(bytes, output) }
    let route: RouteDecision
    do throws(SocketError) {
      route = try self.route(output)
    } catch {
      if error == .networkUnreachable { stack.counters.count(.ipOutNoRoutes) }
      throw error
    }
    guard bytes.count <= 65_515 else {
      if options.receivesErrors, bytes.count <= 65_535 {
        report(
          SocketErrorReport(
            error: .messageTooLong,
            isLocal: true,
            type: 0,
            code: 0,
            info: UInt32(route.mtu),
            offender: nil,
            destination: destination,
            payload: bytes
          )
        )
      }
      throw .messageTooLong
    }
    var payload = stack.simulation.pool.make(count: bytes.count)
    bytes.withUnsafeBytes { payload.write($0, at: 0) }
    if ipProtocol == .icmp, bytes.count > 0 {
      stack.countSent(ICMPv4Type(rawValue: bytes[0]))
    }
    do throws(SocketError) {
      try stack.send(payload: payload, output, route: route)
    } catch {
      if error == .messageTooLong {
        if options.receivesErrors {
          report(
            SocketErrorReport(
              error: .messageTooLong,
              isLocal: true,
              type: 0,
              code: 0,
              info: UInt32(route.mtu),
              offender: nil,
              destination: destination,
              payload: bytes
            )
          )
        }
      }
      if error == .noBufferSpace && !options.receivesErrors { return }
      throw error
    }
  }

  private func sendWithHeader(_ bytes: [UInt8], _ output: OutputOptions) throws(SocketError) {
    guard bytes.count >= 20, bytes[0] >> 4 == 4 else { throw .invalidArgument }
    let headerLength = Int(bytes[0] & 15) * 4
    guard headerLength >= 20, headerLength <= bytes.count else { throw .invalidArgument }
    let route = try self.route(output)
    guard bytes.count <= route.mtu else { throw .messageTooLong }
    var packet = stack.simulation.pool.make(bytes: bytes)
    if packet.u32(at: 12) == 0 { packet.setU32(route.source, at: 12) }
    if packet.u16(at: 4) == 0 { packet.setU16(stack.nextIdentification(), at: 4) }
    packet.metadata.journey = stack.simulation.nextJourney()
    packet.metadata.socket = number
    packet.metadata.uid = uid
    packet.metadata.gid = gid
    packet.metadata.mark = options.mark
    try stack.sendLocal(packet, route)
  }
}
