/// The header of an IPv4 packet.
public struct IPv4Header: WireHeader {
  /// Where the fields are, in bytes from the start of the packet.
  public enum Offset {
    /// The version and the header length in 32-bit words, four bits each.
    @inlinable public static var versionAndLength: Int { 0 }
    /// DSCP (6 bits) and ECN (2 bits).
    @inlinable public static var typeOfService: Int { 1 }
    /// The length of header and payload.
    @inlinable public static var totalLength: Int { 2 }
    /// The identification.
    @inlinable public static var identification: Int { 4 }
    /// Three flags and the fragment offset in units of eight bytes.
    @inlinable public static var fragment: Int { 6 }
    /// Time to live.
    @inlinable public static var ttl: Int { 8 }
    /// The protocol of the payload.
    @inlinable public static var `protocol`: Int { 9 }
    /// The header checksum.
    @inlinable public static var checksum: Int { 10 }
    /// The source address.
    @inlinable public static var source: Int { 12 }
    /// The destination address.
    @inlinable public static var destination: Int { 16 }
    /// The options, if the header is longer than 20 bytes.
    @inlinable public static var options: Int { 20 }
  }

  /// The flags in the top bits of the fragment field, and its offset part.
  public enum Fragment {
    /// The reserved bit.
    @inlinable public static var reserved: UInt16 { 0x8000 }
    /// Don't fragment.
    @inlinable public static var dontFragment: UInt16 { 0x4000 }
    /// More fragments follow.
    @inlinable public static var moreFragments: UInt16 { 0x2000 }
    /// The bits of the offset, in units of eight bytes.
    @inlinable public static var offsetMask: UInt16 { 0x1fff }
  }

  /// The number of bytes of a header without options.
  @inlinable public static var minimumLength: Int { 20 }
  /// The number of bytes of a header with as many options as it can hold.
  @inlinable public static var maximumLength: Int { 60 }

  /// DSCP (6 bits) and ECN (2 bits).
  public var typeOfService: UInt8
  /// The length of header and payload in bytes.
  public var totalLength: UInt16
  /// The number that fragments of one packet share.
  public var identification: UInt16
  /// Flags and fragment offset as they are on the wire.
  public var fragment: UInt16
  /// Time to live.
  public var ttl: UInt8
  /// The protocol of the payload.
  public var `protocol`: IPProtocol
  /// The header checksum as found; ``fillChecksum()`` sets the right one.
  public var checksum: UInt16
  /// The source address.
  public var source: IPv4Address
  /// The destination address.
  public var destination: IPv4Address
  /// The options as they are on the wire, at most 40 bytes; ``IPv4Option`` reads them.
  public var options: [UInt8]

  /// Makes a header with the checksum filled in.
  ///
  /// The payload's length is cut to what fits into 65,535 bytes, the options to 40 bytes.
  public init(
    typeOfService: UInt8 = 0,
    payloadLength: Int,
    identification: UInt16 = 0,
    fragment: UInt16 = 0,
    ttl: UInt8 = 64,
    protocol: IPProtocol,
    source: IPv4Address,
    destination: IPv4Address,
    options: [UInt8] = []
  ) {
    self.typeOfService = typeOfService
    self.identification = identification
    self.fragment = fragment
    self.ttl = ttl
    self.protocol = `protocol`
    self.source = source
    self.destination = destination
    self.options = options
    checksum = 0
    totalLength = 0
    totalLength = UInt16(min(max(0, payloadLength), 65_535 - encodedLength) + encodedLength)
    fillChecksum()
  }

  /// Reads the header at the start of a packet; the payload need not be there.
  public init(parsing bytes: UnsafeRawBufferPointer) throws(WireError) {
    try bytes.require(Self.minimumLength)
    let first = bytes[Offset.versionAndLength]
    guard first >> 4 == 4 else { throw .version(first >> 4) }
    let headerLength = Int(first & 0xf) * 4
    guard headerLength >= Self.minimumLength else { throw .headerLength(headerLength) }
    try bytes.require(headerLength)
    totalLength = bytes.bigEndianUInt16(at: Offset.totalLength)
    guard Int(totalLength) >= headerLength else { throw .length(Int(totalLength)) }
    typeOfService = bytes[Offset.typeOfService]
    identification = bytes.bigEndianUInt16(at: Offset.identification)
    fragment = bytes.bigEndianUInt16(at: Offset.fragment)
    ttl = bytes[Offset.ttl]
    `protocol` = IPProtocol(rawValue: bytes[Offset.protocol])
    checksum = bytes.bigEndianUInt16(at: Offset.checksum)
    source = IPv4Address(rawValue: bytes.bigEndianUInt32(at: Offset.source))
    destination = IPv4Address(rawValue: bytes.bigEndianUInt32(at: Offset.destination))
    options =
      headerLength == Self.minimumLength ? [] : Array(bytes[Self.minimumLength..<headerLength])
  }

  /// Whether the packet must not be fragmented.
  @inlinable public var dontFragment: Bool { fragment & Fragment.dontFragment != 0 }
  /// Whether more fragments follow this one.
  @inlinable public var moreFragments: Bool { fragment & Fragment.moreFragments != 0 }
  /// Where the payload belongs in the whole packet's, in bytes.
  @inlinable public var fragmentOffset: Int { Int(fragment & Fragment.offsetMask) &* 8 }
  /// Whether the packet is a part of another one.
  @inlinable public var isFragment: Bool {
    fragment & (Fragment.moreFragments | Fragment.offsetMask) != 0
  }

  /// The number of bytes of the payload, as the length field has it.
  @inlinable public var payloadLength: Int { max(0, Int(totalLength) &- encodedLength) }

  /// The number of bytes of the header, options included.
  @inlinable public var encodedLength: Int {
    Self.minimumLength &+ (min(options.count, 40) &+ 3) & ~3
  }

  /// Writes the header; options end on a multiple of four bytes by zeros behind them.
  public func write(to buffer: UnsafeMutableRawBufferPointer) {
    let length = encodedLength
    buffer.requireRoom(length)
    buffer[Offset.versionAndLength] = 0x40 | UInt8(length / 4)
    buffer[Offset.typeOfService] = typeOfService
    buffer.storeBigEndian(totalLength, at: Offset.totalLength)
    buffer.storeBigEndian(identification, at: Offset.identification)
    buffer.storeBigEndian(fragment, at: Offset.fragment)
    buffer[Offset.ttl] = ttl
    buffer[Offset.protocol] = `protocol`.rawValue
    buffer.storeBigEndian(checksum, at: Offset.checksum)
    buffer.storeBigEndian(source.rawValue, at: Offset.source)
    buffer.storeBigEndian(destination.rawValue, at: Offset.destination)
    for offset in Offset.options..<length {
      let index = offset - Offset.options
      buffer[offset] = index < options.count ? options[index] : 0
    }
  }

  /// Sets the checksum to what the other fields ask for.
  public mutating func fillChecksum() {
    checksum = 0
    checksum = encoded().withUnsafeBytes { InternetChecksum.checksum(of: $0) }
  }

  /// The header as `tcpdump -v` prints it.
  public var description: String {
    var flags: [String] = []
    if fragment & Fragment.reserved != 0 { flags.append("rsvd") }
    if moreFragments { flags.append("+") }
    if dontFragment { flags.append("DF") }
    let flagText = flags.isEmpty ? "none" : flags.joined(separator: ", ")
    var text = "IP (tos 0x\(String(typeOfService, radix: 16)), ttl \(ttl), "
    text += "id \(identification), offset \(fragmentOffset), flags [\(flagText)], "
    text += "proto \(`protocol`.tcpdumpName) (\(`protocol`.rawValue)), length \(totalLength)"
    if !options.isEmpty { text += ", options (\(IPv4Option.description(of: options)))" }
    return text + ") \(source) > \(destination)"
  }
}

extension IPv4Header {
  /// The header length that a packet's first byte tells, in bytes; it is not checked.
  @inlinable @inline(__always)
  public static func length(firstByte: UInt8) -> Int {
    Int(firstByte & 0xf) &* 4
  }

  /// Computes and stores the checksum of the header at the start of a packet.
  ///
  /// Does nothing if the header is not whole.
  @inlinable
  public static func setChecksum(in packet: UnsafeMutableRawBufferPointer) {
    guard packet.count >= minimumLength else { return }
    let length = length(firstByte: packet[0])
    guard length >= minimumLength, length <= packet.count else { return }
    packet.storeBigEndian(0 as UInt16, at: Offset.checksum)
    let header = UnsafeRawBufferPointer(rebasing: packet[..<length])
    packet.storeBigEndian(InternetChecksum.checksum(of: header), at: Offset.checksum)
  }

  /// Whether the header at the start of a packet is whole and its checksum right.
  @inlinable
  public static func hasValidChecksum(_ packet: UnsafeRawBufferPointer) -> Bool {
    guard packet.count >= minimumLength else { return false }
    let length = length(firstByte: packet[0])
    guard length >= minimumLength, length <= packet.count else { return false }
    return InternetChecksum.isValid(UnsafeRawBufferPointer(rebasing: packet[..<length]))
  }
}
