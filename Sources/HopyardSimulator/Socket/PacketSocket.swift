import HopyardWire

/// A packet socket (`packet(7)`): it hears the frames of one interface or of all, and sends frames.
public final class PacketSocket: Socket, FrameListener {
  /// The EtherType that it hears; nil hears all.
  public let etherType: EtherType?
  /// Whether frames come without their link header (`SOCK_DGRAM`).
  public let isCooked: Bool
  /// The interface it is bound to; 0 hears all.
  public internal(set) var ifindex: Int32 = 0
  /// Decides which frames are heard, for capture filters.
  public var filter: ((UnsafeRawBufferPointer) -> Bool)?
  /// Whether frames that this host sends are heard too.
  public var hearsOutgoing = true
  /// Takes each frame at once in place of the queue.
  public var onFrame: ((UnsafeRawBufferPointer, Instant, CaptureDirection, NetworkDevice) -> Void)?

  init(number: UInt32, table: SocketTable, etherType: EtherType?, isCooked: Bool) {
    self.etherType = etherType
    self.isCooked = isCooked
    super.init(number: number, table: table)
  }

  /// Binds to an interface; index 0 hears all.
  public func bind(ifindex: Int32) throws(SocketError) {
    guard ifindex == 0 || stack.devices[ifindex] != nil else { throw .noSuchDevice }
    table.unwatch(self)
    self.ifindex = ifindex
    table.watch(self)
  }

  /// Sends a whole frame by the interface that the socket is bound to, or another.
  public func send(frame: [UInt8], ifindex: Int32? = nil) throws(SocketError) {
    guard let device = stack.devices[ifindex ?? self.ifindex] else { throw .noSuchDevice }
    guard device.isUp else { throw .networkDown }
    let headerLength = device.linkHeaderLength
    guard frame.count >= headerLength else { throw .invalidArgument }
    var limit = device.mtu + headerLength
    if device.isEthernet, frame.count >= 14, frame[12] == 0x81, frame[13] == 0 { limit += 4 }
    guard frame.count <= limit else { throw .messageTooLong }
    let packet = stack.simulation.pool.make(bytes: frame)
    packet.metadata.journey = stack.simulation.nextJourney()
    packet.metadata.socket = number
    packet.metadata.mark = options.mark
    if device.isEthernet {
      packet.metadata.etherType = EtherType(rawValue: packet.u16(at: 12))
    }
    if device.queueTransmit(packet) == .dropped { throw .noBufferSpace }
  }

  /// Sends a payload with a link header of this type to a MAC address.
  public func send(
    _ payload: [UInt8],
    to destination: MACAddress,
    etherType: EtherType,
    ifindex: Int32? = nil
  ) throws(SocketError) {
    guard let device = stack.devices[ifindex ?? self.ifindex] else { throw .noSuchDevice }
    guard device.isUp else { throw .networkDown }
    guard payload.count <= device.mtu else { throw .messageTooLong }
    let packet = stack.simulation.pool.make(bytes: payload)
    packet.metadata.journey = stack.simulation.nextJourney()
    packet.metadata.socket = number
    if device.send(packet, to: destination, type: etherType) == .dropped { throw .noBufferSpace }
  }

  func hear(_ packet: borrowing Packet, on device: NetworkDevice, _ direction: CaptureDirection) {
    guard device.host === stack.host, ifindex == 0 || ifindex == device.ifindex else { return }
    if direction == .outgoing && !hearsOutgoing { return }
    let type = packet.metadata.etherType
    if let etherType, etherType != type { return }
    let time = stack.simulation.now
    packet.withBytes { bytes in
      if let filter, !filter(bytes) { return }
      if let onFrame { return onFrame(bytes, time, direction, device) }
      let skipped = isCooked && device.isEthernet ? min(14, bytes.count) : 0
      var datagram = Datagram(
        bytes: [UInt8](UnsafeRawBufferPointer(rebasing: bytes[skipped...])),
        source: .any,
        sourcePort: 0,
        destination: .any,
        ttl: 0,
        tos: 0,
        ifindex: device.ifindex,
        time: time
      )
      datagram.packetType = direction == .outgoing ? .outgoing : packet.metadata.type
      datagram.etherType = type
      if device.isEthernet && bytes.count >= 12 { datagram.sourceMAC = packet.mac(at: 6) }
      _ = enqueue(datagram)
    }
  }

  public override func close() {
    table.unwatch(self)
    super.close()
  }
}
