import HopyardSimulator

/// A pcapng file whose blocks never cross a page, so that a write cut short leaves whole blocks.
///
/// A block that does not fit into the rest of a page is moved to the next one, and the gap is taken
/// by a block of a type for local use, which readers skip. Only a block longer than a page can be
/// cut, by a kill at the very moment of its writing.
final class PcapngFile {
  /// The longest frame that a block holds; of a longer one the beginning is kept.
  static let snapshotLength = 262_144
  /// The longest interface name, without its final zero byte.
  static let longestInterfaceName = 15

  let file: CaptureFile
  private var interfaces: [Interface] = []

  private struct Interface {
    var offset: Int
    var length: Int
    var linkType: LinkType
    var nameLimit: Int
  }

  private enum BlockType {
    static let interface: UInt32 = 1
    static let packet: UInt32 = 6
    static let filler: UInt32 = 0x8000_7061
    static let section: UInt32 = 0x0A0D_0D0A
  }

  private enum Option {
    static let end: UInt16 = 0
    static let comment: UInt16 = 1
    static let name: UInt16 = 2
    static let flags: UInt16 = 2
    static let timeResolution: UInt16 = 9
    static let filler: UInt16 = 0x8000
  }

  init(path: String) {
    file = CaptureFile(path: path)
    var section = Block(BlockType.section)
    section.append(UInt32(0x1A2B_3C4D))
    section.append(UInt16(1))
    section.append(UInt16(0))
    section.append(UInt64.max)
    add(section)
  }

  /// Adds an interface and returns its number in the file.
  func addInterface(_ name: String, linkType: LinkType, nameLimit: Int) -> Int {
    let limit = (max(nameLimit, name.utf8.count) + 3) & ~3
    let placed = add(interfaceBlock(name, linkType: linkType, nameLimit: limit))
    interfaces.append(
      Interface(
        offset: placed.offset,
        length: placed.length,
        linkType: linkType,
        nameLimit: limit
      )
    )
    return interfaces.count - 1
  }

  /// Gives an interface another name, in the place where the first one stands.
  func renameInterface(_ number: Int, to name: String) throws(CaptureError) {
    guard interfaces.indices.contains(number) else { return }
    let interface = interfaces[number]
    var block = interfaceBlock(
      name,
      linkType: interface.linkType,
      nameLimit: interface.nameLimit
    )
    block.pad(by: interface.length - block.length)
    try file.replace(at: interface.offset, with: block.finished())
  }

  /// The most bytes that a packet can take, the gap before it counted.
  static func room(for frame: UnsafeRawBufferPointer, comment: String?) -> Int {
    min(frame.count, snapshotLength) + (comment?.utf8.count ?? 0) + 64 + CaptureFile.pageSize
  }

  /// Adds a packet of an interface.
  func addPacket(
    _ frame: UnsafeRawBufferPointer,
    at time: Instant,
    interface: Int,
    direction: CaptureDirection,
    comment: String? = nil
  ) {
    let captured = min(frame.count, Self.snapshotLength)
    let paddedFrame = (captured + 3) & ~3
    let comment = comment.map { Array($0.utf8.prefix(Int(UInt16.max) - 3)) }
    let commentLength = comment.map { 4 + ($0.count + 3) & ~3 } ?? 0
    var length = 28 + paddedFrame + 8 + commentLength + 4 + 4
    let filler = makeGap(before: length)
    length += filler

    let block = file.room(for: length)
    let nanoseconds = UInt64(max(0, time.nanoseconds))
    block.store(BlockType.packet, at: 0)
    block.store(UInt32(length), at: 4)
    block.store(UInt32(interface), at: 8)
    block.store(UInt32(nanoseconds >> 32), at: 12)
    block.store(UInt32(truncatingIfNeeded: nanoseconds), at: 16)
    block.store(UInt32(captured), at: 20)
    block.store(UInt32(truncatingIfNeeded: frame.count), at: 24)
    if let base = frame.baseAddress {
      (block + 28).copyMemory(from: base, byteCount: captured)
    }
    for index in captured..<paddedFrame { block.store(UInt8(0), at: 28 + index) }
    var offset = 28 + paddedFrame
    block.store(Option.flags, at: offset)
    block.store(UInt16(4), at: offset + 2)
    block.store(UInt32(direction.rawValue), at: offset + 4)
    offset += 8
    if let comment {
      block.store(Option.comment, at: offset)
      block.store(UInt16(comment.count), at: offset + 2)
      for index in 0..<(commentLength - 4) {
        block.store(index < comment.count ? comment[index] : 0, at: offset + 4 + index)
      }
      offset += commentLength
    }
    for _ in 0..<(filler / 4) {
      block.store(UInt32(Option.filler), at: offset)
      offset += 4
    }
    block.store(UInt32(Option.end), at: offset)
    block.store(UInt32(length), at: offset + 4)
    file.add(length)
  }

  private func interfaceBlock(_ name: String, linkType: LinkType, nameLimit: Int) -> Block {
    let name = Array(name.utf8.prefix(nameLimit))
    var block = Block(BlockType.interface)
    block.append(linkType.rawValue)
    block.append(UInt16(0))
    block.append(UInt32(0))
    block.append(option: Option.name, name)
    block.append(option: Option.timeResolution, [9])
    // Room for another name: an interface may be renamed after its first packet.
    let unused = (nameLimit - name.count) & ~3
    if unused > 0 {
      block.append(option: Option.filler, [UInt8](repeating: 0, count: unused - 4))
    }
    return block
  }

  /// Writes what is needed so that a block of this length keeps within a page, and returns by how
  /// much the block must be lengthened for the next gap to be one that a block can fill.
  private func makeGap(before length: Int) -> Int {
    let page = CaptureFile.pageSize
    let rest = page - (file.length + file.waiting) % page
    if length > rest, rest < page {
      let filler = file.room(for: rest)
      filler.initializeMemory(as: UInt8.self, repeating: 0, count: rest)
      filler.store(BlockType.filler, at: 0)
      filler.store(UInt32(rest), at: 4)
      filler.store(UInt32(rest), at: rest - 4)
      file.add(rest)
    }
    let gap = (page - (file.length + file.waiting + length) % page) % page
    return gap < 12 ? gap : 0
  }

  @discardableResult
  private func add(_ block: Block) -> (offset: Int, length: Int) {
    var block = block
    block.pad(by: makeGap(before: block.length))
    let offset = file.length + file.waiting
    let bytes = block.finished()
    bytes.withUnsafeBytes { source in
      guard let base = source.baseAddress else { return }
      file.room(for: source.count).copyMemory(from: base, byteCount: source.count)
    }
    file.add(bytes.count)
    return (offset, bytes.count)
  }

  /// A block other than a packet's; those are not on the hot path.
  private struct Block {
    private var bytes: [UInt8] = []
    private var padding = 0

    init(_ type: UInt32) {
      append(type)
      append(UInt32(0))
    }

    /// Its length with the end of its options and the length behind it.
    var length: Int { bytes.count + padding + 8 }

    mutating func append(_ value: some FixedWidthInteger) {
      withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func append(option code: UInt16, _ value: [UInt8]) {
      append(code)
      append(UInt16(value.count))
      bytes += value
      while bytes.count % 4 != 0 { bytes.append(0) }
    }

    mutating func pad(by count: Int) { padding += max(0, count) }

    func finished() -> [UInt8] {
      var block = self
      for _ in 0..<(padding / 4) { block.append(UInt32(Option.filler)) }
      block.append(UInt32(Option.end))
      let length = UInt32(block.bytes.count + 4)
      block.append(length)
      withUnsafeBytes(of: length.littleEndian) { block.bytes.replaceSubrange(4..<8, with: $0) }
      return block.bytes
    }
  }
}

extension UnsafeMutableRawPointer {
  /// Stores a number as pcapng files are written here: little-endian, aligned or not.
  @inline(__always)
  fileprivate func store<Number: FixedWidthInteger & BitwiseCopyable>(
    _ value: Number,
    at offset: Int
  ) {
    storeBytes(of: value.littleEndian, toByteOffset: offset, as: Number.self)
  }
}
