/// The three times behind the header of an ICMP timestamp request or reply.
///
/// Each is in milliseconds since midnight UTC.
@frozen
public struct ICMPv4Timestamps: WireHeader {
  /// The number of bytes.
  @inlinable public static var length: Int { 12 }

  /// When the request left.
  public var originate: UInt32
  /// When the request arrived.
  public var receive: UInt32
  /// When the reply left.
  public var transmit: UInt32

  /// Makes the body of a request or a reply.
  @inlinable
  public init(originate: UInt32, receive: UInt32 = 0, transmit: UInt32 = 0) {
    self.originate = originate
    self.receive = receive
    self.transmit = transmit
  }

  /// Reads the times behind a header.
  @inlinable
  public init(parsing bytes: UnsafeRawBufferPointer) throws(WireError) {
    try bytes.require(Self.length)
    originate = bytes.bigEndianUInt32(at: 0)
    receive = bytes.bigEndianUInt32(at: 4)
    transmit = bytes.bigEndianUInt32(at: 8)
  }

  /// The number of bytes.
  @inlinable public var encodedLength: Int { Self.length }

  /// Writes the times.
  @inlinable
  public func write(to buffer: UnsafeMutableRawBufferPointer) {
    buffer.requireRoom(Self.length)
    buffer.storeBigEndian(originate, at: 0)
    buffer.storeBigEndian(receive, at: 4)
    buffer.storeBigEndian(transmit, at: 8)
  }

  /// The times in milliseconds.
  public var description: String { "org \(originate), recv \(receive), xmit \(transmit)" }
}
