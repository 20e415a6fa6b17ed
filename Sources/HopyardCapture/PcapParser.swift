import HopyardSimulator

/// A classic pcap file, of microseconds or nanoseconds, in either byte order.
struct PcapParser {
  let interface: CapturedInterface

  private let name: String
  private let reader: ByteReader
  private let nanosecondsPerUnit: Int64
  private var offset = 24

  init(_ bytes: [UInt8], name: String) throws(CaptureError) {
    var reader = ByteReader(bytes)
    switch reader.u32(at: 0) {
    case 0xA1B2_C3D4: nanosecondsPerUnit = 1000
    case 0xA1B2_3C4D: nanosecondsPerUnit = 1
    case 0xD4C3_B2A1:
      reader.isLittleEndian = false
      nanosecondsPerUnit = 1000
    case 0x4D3C_B2A1:
      reader.isLittleEndian = false
      nanosecondsPerUnit = 1
    default:
      throw CaptureError(file: name, reason: "not a pcap or pcapng file")
    }
    guard let linkType = reader.u32(at: 20) else {
      throw CaptureError(file: name, reason: "cut short in the file header")
    }
    // The upper bits tell of frame check sequences.
    interface = CapturedInterface(name: "", linkType: UInt16(truncatingIfNeeded: linkType))
    self.name = name
    self.reader = reader
  }

  mutating func next() throws(CaptureError) -> CapturedPacket? {
    if offset == reader.count { return nil }
    guard let seconds = reader.u32(at: offset), let fraction = reader.u32(at: offset + 4),
      let captured = reader.u32(at: offset + 8), let original = reader.u32(at: offset + 12),
      let frame = reader.slice(Int(captured), at: offset + 16)
    else { throw CaptureError(file: name, reason: "cut short in the record at byte \(offset)") }
    offset += 16 + Int(captured)
    return CapturedPacket(
      time: Instant(
        nanoseconds: Int64(seconds) * 1_000_000_000 + Int64(fraction) * nanosecondsPerUnit
      ),
      interface: 0,
      direction: nil,
      originalLength: Int(original),
      frame: Array(frame)
    )
  }
}
