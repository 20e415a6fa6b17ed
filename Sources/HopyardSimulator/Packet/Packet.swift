import HopyardWire

/// A frame or packet on its way: bytes with headroom before them, and metadata.
///
/// A packet has exactly one owner and is moved from hop to hop; `clone()` copies its bytes.
/// Offsets count from the packet's first byte, which `push` and `pull` move. An access outside the
/// packet is a programming error: callers look at `count` first.
public struct Packet: ~Copyable {
  @usableFromInline let slot: UnsafeMutableRawPointer

  @inline(__always)
  init(slot: UnsafeMutablePointer<PacketSlot>) { self.slot = UnsafeMutableRawPointer(slot) }

  @inline(__always)
  private var header: UnsafeMutablePointer<PacketSlot> {
    slot.assumingMemoryBound(to: PacketSlot.self)
  }

  deinit {
    let slot = slot.assumingMemoryBound(to: PacketSlot.self)
    slot.pointee.pool._withUnsafeGuaranteedRef { $0.release(slot) }
  }

  /// Gives up ownership without freeing, for intrusive queues.
  @inline(__always)
  consuming func intoSlot() -> UnsafeMutablePointer<PacketSlot> {
    let result = slot.assumingMemoryBound(to: PacketSlot.self)
    discard self
    return result
  }

  /// How many bytes the packet has.
  public var count: Int {
    @inline(__always) get { Int(header.pointee.count) }
  }

  /// Free bytes before the first one.
  public var headroom: Int {
    @inline(__always) get { Int(header.pointee.head) }
  }

  /// Free bytes after the last one.
  public var tailroom: Int {
    Int(header.pointee.capacity &- header.pointee.head &- header.pointee.count)
  }

  /// What the stack keeps beside the bytes.
  public var metadata: PacketMetadata {
    @inline(__always) get { header.pointee.metadata }
    @inline(__always) nonmutating _modify { yield &header.pointee.metadata }
  }

  /// The first byte's address.
  @inline(__always)
  var start: UnsafeMutableRawPointer {
    slot + (MemoryLayout<PacketSlot>.size &+ Int(header.pointee.head))
  }

  /// The bytes, for the duration of `body`.
  @inline(__always)
  public func withBytes<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R
  {
    try body(UnsafeRawBufferPointer(start: start, count: count))
  }

  /// The bytes, for the duration of `body`, to be changed.
  @inline(__always)
  public mutating func withMutableBytes<R, E: Error>(
    _ body: (UnsafeMutableRawBufferPointer) throws(E) -> R
  ) throws(E) -> R {
    try body(UnsafeMutableRawBufferPointer(start: start, count: count))
  }

  /// A copy of the bytes.
  public var bytes: [UInt8] { withBytes { [UInt8]($0) } }

  @inline(__always)
  private func check(_ offset: Int, _ size: Int) {
    precondition(offset >= 0 && offset &+ size <= count, "an access outside the packet")
  }

  /// The byte at an offset.
  @inline(__always)
  public func u8(at offset: Int) -> UInt8 {
    check(offset, 1)
    return start.load(fromByteOffset: offset, as: UInt8.self)
  }

  /// The big-endian 16-bit number at an offset.
  @inline(__always)
  public func u16(at offset: Int) -> UInt16 {
    check(offset, 2)
    return UInt16(bigEndian: start.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
  }

  /// The big-endian 32-bit number at an offset.
  @inline(__always)
  public func u32(at offset: Int) -> UInt32 {
    check(offset, 4)
    return UInt32(bigEndian: start.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
  }

  /// The six bytes at an offset.
  @inline(__always)
  public func mac(at offset: Int) -> MACAddress {
    check(offset, 6)
    let high = UInt32(bigEndian: start.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    let low = UInt16(bigEndian: start.loadUnaligned(fromByteOffset: offset &+ 4, as: UInt16.self))
    return MACAddress(rawValue: UInt64(high) << 16 | UInt64(low))
  }

  /// The IPv4 address at an offset.
  @inline(__always)
  public func ipv4(at offset: Int) -> IPv4Address { IPv4Address(rawValue: u32(at: offset)) }

  /// Writes a byte.
  @inline(__always)
  public mutating func setU8(_ value: UInt8, at offset: Int) {
    check(offset, 1)
    start.storeBytes(of: value, toByteOffset: offset, as: UInt8.self)
  }

  /// Writes a big-endian 16-bit number.
  @inline(__always)
  public mutating func setU16(_ value: UInt16, at offset: Int) {
    check(offset, 2)
    start.storeBytes(of: value.bigEndian, toByteOffset: offset, as: UInt16.self)
  }

  /// Writes a big-endian 32-bit number.
  @inline(__always)
  public mutating func setU32(_ value: UInt32, at offset: Int) {
    check(offset, 4)
    start.storeBytes(of: value.bigEndian, toByteOffset: offset, as: UInt32.self)
  }

  /// Writes six bytes.
  @inline(__always)
  public mutating func setMAC(_ value: MACAddress, at offset: Int) {
    check(offset, 6)
    start.storeBytes(
      of: UInt32(truncatingIfNeeded: value.rawValue >> 16).bigEndian,
      toByteOffset: offset,
      as: UInt32.self
    )
    start.storeBytes(
      of: UInt16(truncatingIfNeeded: value.rawValue).bigEndian,
      toByteOffset: offset &+ 4,
      as: UInt16.self
    )
  }

  /// Writes an IPv4 address.
  @inline(__always)
  public mutating func setIPv4(_ value: IPv4Address, at offset: Int) {
    setU32(value.rawValue, at: offset)
  }

  /// Makes room for a header before the first byte; its bytes are not initialised.
  @inline(__always)
  public mutating func push(_ size: Int) {
    precondition(size >= 0 && size <= headroom, "no headroom left")
    header.pointee.head &-= Int32(truncatingIfNeeded: size)
    header.pointee.count &+= Int32(truncatingIfNeeded: size)
  }

  /// Takes bytes off the front; they stay in the headroom.
  @inline(__always)
  public mutating func pull(_ size: Int) {
    precondition(size >= 0 && size <= count, "a pull past the end")
    header.pointee.head &+= Int32(truncatingIfNeeded: size)
    header.pointee.count &-= Int32(truncatingIfNeeded: size)
  }

  /// Cuts bytes off the end.
  @inline(__always)
  public mutating func trim(to size: Int) {
    precondition(size >= 0 && size <= count, "a trim past the end")
    header.pointee.count = Int32(truncatingIfNeeded: size)
  }

  /// Replaces everything from `offset` on by `bytes`; false if the slot has no room for them.
  public mutating func replaceTail(from offset: Int, with bytes: UnsafeRawBufferPointer) -> Bool {
    precondition(offset >= 0 && offset <= count, "a tail outside the packet")
    guard offset + bytes.count <= count + tailroom else { return false }
    if let source = bytes.baseAddress, bytes.count > 0 {
      (start + offset).copyMemory(from: source, byteCount: bytes.count)
    }
    header.pointee.count = Int32(truncatingIfNeeded: offset + bytes.count)
    return true
  }

  /// A packet of its own with the same bytes and metadata, and the same journey.
  @inline(__always)
  public func clone() -> Packet {
    let size = count
    var room = headroom
    // A packet that grew into a large slot's headroom must still fit.
    if room &+ size > PacketPool.largeCapacity { room = PacketPool.largeCapacity &- size }
    let slot = header.pointee.pool._withUnsafeGuaranteedRef {
      $0.make(count: size, headroom: room).intoSlot()
    }
    let copy = Packet(slot: slot)
    // The pulled link header is copied too: it stands just before the first byte.
    let before = min(Int(header.pointee.metadata.linkHeaderLength), room)
    (copy.start - before).copyMemory(from: start - before, byteCount: size &+ before)
    copy.header.pointee.metadata = header.pointee.metadata
    return copy
  }
}

extension PacketPool {
  /// A packet with a copy of these bytes.
  func make(bytes: [UInt8], headroom: Int = PacketPool.headroom) -> Packet {
    let packet = make(count: bytes.count, headroom: headroom)
    bytes.withUnsafeBytes { source in
      if let base = source.baseAddress {
        packet.start.copyMemory(from: base, byteCount: bytes.count)
      }
    }
    return packet
  }

  /// A packet with these bytes.
  func make(bytes: UnsafeRawBufferPointer, headroom: Int = PacketPool.headroom) -> Packet {
    let packet = make(count: bytes.count, headroom: headroom)
    if let source = bytes.baseAddress, bytes.count > 0 {
      packet.start.copyMemory(from: source, byteCount: bytes.count)
    }
    return packet
  }
}
