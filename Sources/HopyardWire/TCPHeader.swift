/// The header of a TCP segment.
public struct TCPHeader: WireHeader {
  /// Where the fields are, in bytes from the start of the segment.
  public enum Offset {
    /// The source port.
    @inlinable public static var sourcePort: Int { 0 }
    /// The destination port.
    @inlinable public static var destinationPort: Int { 2 }
    /// The sequence number.
    @inlinable public static var sequence: Int { 4 }
    /// The acknowledgment number.
    @inlinable public static var acknowledgment: Int { 8 }
    /// The header length in 32-bit words, and four reserved bits.
    @inlinable public static var dataOffset: Int { 12 }
    /// The flags.
    @inlinable public static var flags: Int { 13 }
    /// The window.
    @inlinable public static var window: Int { 14 }
    /// The checksum.
    @inlinable public static var checksum: Int { 16 }
    /// The urgent pointer.
    @inlinable public static var urgentPointer: Int { 18 }
    /// The options, if the header is longer than 20 bytes.
    @inlinable public static var options: Int { 20 }
  }

  /// The number of bytes of a header without options.
  @inlinable public static var minimumLength: Int { 20 }
  /// The number of bytes of a header with as many options as it can hold.
  @inlinable public static var maximumLength: Int { 60 }

  /// The source port.
  public var sourcePort: UInt16
  /// The destination port.
  public var destinationPort: UInt16
  /// The number of the first byte of the segment.
  public var sequence: UInt32
  /// The number of the next byte that the sender expects.
  public var acknowledgment: UInt32
  /// The reserved bits (4), of which the lowest is the AE bit of accurate ECN.
  public var reserved: UInt8
  /// The flags.
  public var flags: TCPFlags
  /// The window, not scaled.
  public var window: UInt16
  /// The checksum as found.
  public var checksum: UInt16
  /// The urgent pointer.
  public var urgentPointer: UInt16
  /// The options as they are on the wire, at most 40 bytes; ``TCPOption`` reads them.
  public var options: [UInt8]

  /// Makes a header; options are cut to 40 bytes when written.
  public init(
    sourcePort: UInt16,
    destinationPort: UInt16,
    sequence: UInt32,
    acknowledgment: UInt32 = 0,
    flags: TCPFlags,
    window: UInt16,
    reserved: UInt8 = 0,
    checksum: UInt16 = 0,
    urgentPointer: UInt16 = 0,
    options: [UInt8] = []
  ) {
    self.sourcePort = sourcePort
    self.destinationPort = destinationPort
    self.sequence = sequence
    self.acknowledgment = acknowledgment
    self.reserved = reserved
    self.flags = flags
    self.window = window
    self.checksum = checksum
    self.urgentPointer = urgentPointer
    self.options = options
  }

  /// Reads the header at the start of a segment.
  public init(parsing bytes: UnsafeRawBufferPointer) throws(WireError) {
    try bytes.require(Self.minimumLength)
    let headerLength = Self.length(dataOffset: bytes[Offset.dataOffset])
    guard headerLength >= Self.minimumLength else { throw .headerLength(headerLength) }
    try bytes.require(headerLength)
    sourcePort = bytes.bigEndianUInt16(at: Offset.sourcePort)
    destinationPort = bytes.bigEndianUInt16(at: Offset.destinationPort)
    sequence = bytes.bigEndianUInt32(at: Offset.sequence)
    acknowledgment = bytes.bigEndianUInt32(at: Offset.acknowledgment)
    reserved = bytes[Offset.dataOffset] & 0xf
    flags = TCPFlags(rawValue: bytes[Offset.flags])
    window = bytes.bigEndianUInt16(at: Offset.window)
    checksum = bytes.bigEndianUInt16(at: Offset.checksum)
    urgentPointer = bytes.bigEndianUInt16(at: Offset.urgentPointer)
    options =
      headerLength == Self.minimumLength ? [] : Array(bytes[Self.minimumLength..<headerLength])
  }

  /// The header length that the byte of the data offset tells, in bytes; it is not checked.
  @inlinable @inline(__always)
  public static func length(dataOffset: UInt8) -> Int {
    Int(dataOffset &>> 4) &* 4
  }

  /// The number of bytes of the header, options included.
  @inlinable public var encodedLength: Int {
    Self.minimumLength &+ (min(options.count, 40) &+ 3) & ~3
  }

  /// Writes the header; options end on a multiple of four bytes by zeros behind them.
  public func write(to buffer: UnsafeMutableRawBufferPointer) {
    let length = encodedLength
    buffer.requireRoom(length)
    buffer.storeBigEndian(sourcePort, at: Offset.sourcePort)
    buffer.storeBigEndian(destinationPort, at: Offset.destinationPort)
    buffer.storeBigEndian(sequence, at: Offset.sequence)
    buffer.storeBigEndian(acknowledgment, at: Offset.acknowledgment)
    buffer[Offset.dataOffset] = UInt8(length / 4) << 4 | reserved & 0xf
    buffer[Offset.flags] = flags.rawValue
    buffer.storeBigEndian(window, at: Offset.window)
    buffer.storeBigEndian(checksum, at: Offset.checksum)
    buffer.storeBigEndian(urgentPointer, at: Offset.urgentPointer)
    for offset in Offset.options..<length {
      let index = offset - Offset.options
      buffer[offset] = index < options.count ? options[index] : 0
    }
  }

  /// The header as tcpdump prints it, without addresses and payload length.
  public var description: String {
    var text = "\(sourcePort) > \(destinationPort): Flags [\(flags)], seq \(sequence)"
    if flags.contains(.ack) { text += ", ack \(acknowledgment)" }
    text += ", win \(window)"
    if flags.contains(.urg) { text += ", urg \(urgentPointer)" }
    let list = TCPOption.parse(options)
    if !list.isEmpty { text += ", options [\(list.map(\.description).joined(separator: ","))]" }
    return text
  }
}

extension TCPHeader {
  /// Computes and stores the checksum of a whole segment over IPv4.
  @inlinable
  public static func setChecksum(
    in segment: UnsafeMutableRawBufferPointer,
    source: IPv4Address,
    destination: IPv4Address
  ) {
    guard segment.count >= minimumLength else { return }
    let initial = InternetChecksum.pseudoHeader(
      source: source,
      destination: destination,
      protocol: .tcp,
      length: segment.count
    )
    segment.storeBigEndian(0 as UInt16, at: Offset.checksum)
    let checksum = InternetChecksum.checksum(of: UnsafeRawBufferPointer(segment), initial: initial)
    segment.storeBigEndian(checksum, at: Offset.checksum)
  }

  /// Whether a whole segment over IPv4 has the right checksum.
  @inlinable
  public static func hasValidChecksum(
    _ segment: UnsafeRawBufferPointer,
    source: IPv4Address,
    destination: IPv4Address
  ) -> Bool {
    guard segment.count >= minimumLength else { return false }
    let initial = InternetChecksum.pseudoHeader(
      source: source,
      destination: destination,
      protocol: .tcp,
      length: segment.count
    )
    return InternetChecksum.isValid(segment, initial: initial)
  }
}
