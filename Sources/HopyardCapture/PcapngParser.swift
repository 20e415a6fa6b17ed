import HopyardSimulator

/// A pcapng file: sections, interfaces and packets; blocks of other types are skipped.
struct PcapngParser {
  /// The interfaces of all sections so far.
  private(set) var interfaces: [CapturedInterface] = []

  private let name: String
  private var reader: ByteReader
  private var offset = 0
  private var clocks: [Clock] = []
  private var sectionStart = 0

  /// How an interface counts time.
  private struct Clock {
    var resolution: UInt8 = 6
    var offsetSeconds: Int64 = 0
    var snapshotLength = 0

    /// Nanoseconds of a count of units; a time out of range is the nearest one that is not.
    func nanoseconds(_ units: UInt64) -> Int64 {
      let exponent = Int(resolution & 0x7F)
      let value: UInt128
      if resolution & 0x80 != 0 {
        value = UInt128(units) * 1_000_000_000 >> UInt128(exponent)
      } else if exponent <= 9 {
        value = UInt128(units) * UInt128(Self.power(9 - exponent))
      } else {
        value = exponent - 9 > 19 ? 0 : UInt128(units / Self.power(exponent - 9))
      }
      let base = Int64(clamping: value)
      let (shift, overflow) = offsetSeconds.multipliedReportingOverflow(by: 1_000_000_000)
      if overflow { return offsetSeconds > 0 ? .max : .min }
      let (sum, sumOverflow) = base.addingReportingOverflow(shift)
      return sumOverflow ? .max : sum
    }

    /// 10 to the power of at most 19.
    private static func power(_ exponent: Int) -> UInt64 {
      (0..<exponent).reduce(1) { power, _ in power &* 10 }
    }
  }

  init(_ bytes: [UInt8], name: String) throws(CaptureError) {
    self.name = name
    self.reader = ByteReader(bytes)
    _ = try section(at: 0)
  }

  mutating func next() throws(CaptureError) -> CapturedPacket? {
    while offset < reader.count {
      let start = offset
      guard let type = reader.u32(at: start) else { throw cut(start) }
      if type == 0x0A0D_0D0A {
        reader.isLittleEndian = try section(at: start)
        clocks.removeAll()
        sectionStart = interfaces.count
      }
      guard let size = reader.u32(at: start + 4), reader.holds(Int(size), at: start) else {
        throw cut(start)
      }
      let length = Int(size)
      guard length >= 12, length % 4 == 0 else {
        throw damaged("a block of \(length) bytes", start)
      }
      guard reader.u32(at: start + length - 4) == size else {
        throw damaged("a block with two lengths", start)
      }
      offset += length
      let body = start + 8..<start + length - 4
      switch type {
      case 1: try addInterface(body)
      case 2: return try packet(body, isObsolete: true)
      case 3: return try simplePacket(body)
      case 6: return try packet(body, isObsolete: false)
      default: break
      }
    }
    return nil
  }

  /// Whether the section at an offset is little-endian.
  private func section(at offset: Int) throws(CaptureError) -> Bool {
    var littleEndian = reader
    littleEndian.isLittleEndian = true
    switch littleEndian.u32(at: offset + 8) {
    case 0x1A2B_3C4D: return true
    case 0x4D3C_2B1A: return false
    case nil: throw cut(offset)
    default: throw damaged("a section of unknown byte order", offset)
    }
  }

  private mutating func addInterface(_ body: Range<Int>) throws(CaptureError) {
    guard body.count >= 8, let linkType = reader.u16(at: body.lowerBound),
      let snapshotLength = reader.u32(at: body.lowerBound + 4)
    else { throw damaged("an interface block without a link type", body.lowerBound) }
    var interface = CapturedInterface(name: "", linkType: linkType)
    var clock = Clock(snapshotLength: Int(snapshotLength))
    forEachOption(in: body.lowerBound + 8..<body.upperBound) { code, value in
      switch code {
      case 2: interface.name = text(value)
      case 9: clock.resolution = value.first ?? 6
      case 14 where value.count == 8:
        let bytes = reader.isLittleEndian ? Array(value.reversed()) : Array(value)
        clock.offsetSeconds = Int64(
          bitPattern: bytes.reduce(0) { $0 << 8 | UInt64($1) }
        )
      default: break
      }
    }
    interfaces.append(interface)
    clocks.append(clock)
  }

  private func packet(
    _ body: Range<Int>,
    isObsolete: Bool
  ) throws(CaptureError) -> CapturedPacket {
    let start = body.lowerBound
    guard body.count >= 20, let high = reader.u32(at: start + 4),
      let low = reader.u32(at: start + 8), let captured = reader.u32(at: start + 12),
      let original = reader.u32(at: start + 16), Int(captured) <= body.count - 20,
      let frame = reader.slice(Int(captured), at: start + 20),
      let number = isObsolete
        ? reader.u16(at: start).map(Int.init) : reader.u32(at: start).map(Int.init)
    else { throw damaged("a packet block that is too short", start) }
    guard clocks.indices.contains(number) else {
      throw damaged("a packet of an interface that is not described", start)
    }
    var packet = CapturedPacket(
      time: Instant(
        nanoseconds: clocks[number].nanoseconds(UInt64(high) << 32 | UInt64(low))
      ),
      interface: sectionStart + number,
      direction: nil,
      originalLength: Int(original),
      frame: Array(frame)
    )
    let options = start + 20 + (Int(captured) + 3) & ~3
    forEachOption(in: min(options, body.upperBound)..<body.upperBound) { code, value in
      switch code {
      case 1: packet.comment += (packet.comment.isEmpty ? "" : "\n") + text(value)
      case 2 where value.count == 4:
        let flags = reader.isLittleEndian ? value.first : value.last
        packet.direction = CaptureDirection(rawValue: (flags ?? 0) & 3)
      default: break
      }
    }
    return packet
  }

  private func simplePacket(_ body: Range<Int>) throws(CaptureError) -> CapturedPacket {
    let start = body.lowerBound
    guard body.count >= 4, let original = reader.u32(at: start), let clock = clocks.first else {
      throw damaged("a packet of an interface that is not described", start)
    }
    let limit = clock.snapshotLength == 0 ? Int(original) : clock.snapshotLength
    let captured = min(Int(original), limit, body.count - 4)
    guard let frame = reader.slice(captured, at: start + 4) else { throw cut(start) }
    return CapturedPacket(
      time: .zero,
      interface: sectionStart,
      direction: nil,
      originalLength: Int(original),
      frame: Array(frame)
    )
  }

  private func forEachOption(in range: Range<Int>, _ body: (UInt16, ArraySlice<UInt8>) -> Void) {
    var offset = range.lowerBound
    while offset + 4 <= range.upperBound, let code = reader.u16(at: offset),
      let length = reader.u16(at: offset + 2), code != 0,
      offset + 4 + Int(length) <= range.upperBound,
      let value = reader.slice(Int(length), at: offset + 4)
    {
      body(code, value)
      offset += 4 + (Int(length) + 3) & ~3
    }
  }

  private func text(_ bytes: ArraySlice<UInt8>) -> String {
    String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
  }

  private func cut(_ offset: Int) -> CaptureError {
    CaptureError(file: name, reason: "cut short in the block at byte \(offset)")
  }

  private func damaged(_ what: String, _ offset: Int) -> CaptureError {
    CaptureError(file: name, reason: "\(what) at byte \(offset)")
  }
}
