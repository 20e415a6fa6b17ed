import HopyardCapture
import HopyardSimulator
import Testing

@Suite struct CaptureReaderTests {
  let scratch = Scratch()

  func samples() throws -> [[UInt8]] {
    let tap = CaptureFanout([
      PcapDirectoryTap(directory: scratch.path),
      PcapngTap(file: scratch.file("all.pcapng"), commentWindow: 1),
    ])
    tap.register(point(0, "a", "eth0"))
    for number in 0..<4 { tap.capture(frame(number), at: Int64(number), on: 0) }
    tap.finish()
    return [scratch.bytes("a/eth0.pcap"), scratch.bytes("all.pcapng")]
  }

  @Test func `big-endian pcap in microseconds`() throws {
    let bytes: [UInt8] = [
      0xA1, 0xB2, 0xC3, 0xD4, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 0, 0, 0, 101,
      0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 9, 7, 8, 9,
    ]
    var reader = try CaptureReader(bytes: bytes)
    #expect(reader.interfaces == [CapturedInterface(name: "", linkType: 101)])
    let packet = CapturedPacket(
      time: Instant(nanoseconds: 1_000_002_000),
      interface: 0,
      direction: nil,
      originalLength: 9,
      frame: [7, 8, 9]
    )
    #expect(try reader.next() == packet)
    #expect(try reader.next() == nil)
  }

  @Test func `a file cut anywhere gives its whole records and then an error`() throws {
    for sample in try samples() {
      for length in 0..<sample.count {
        guard var reader = try? CaptureReader(bytes: Array(sample.prefix(length))) else { continue }
        var count = 0
        do {
          while let packet = try reader.next() {
            #expect(packet.frame == frame(count))
            count += 1
          }
        } catch {
          #expect(error.reason.contains("cut short"))
        }
        #expect(count < 4 || length >= sample.count - 16)
      }
    }
  }

  @Test func `damaged files never trap`() throws {
    var random = RandomSource(seed: 7)
    for sample in try samples() {
      for _ in 0..<4000 {
        var bytes = sample
        for _ in 0..<(1 + Int(random.next() % 4)) {
          bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: random.next())
        }
        guard var reader = try? CaptureReader(bytes: bytes) else { continue }
        while (try? reader.next()) != nil {}
      }
    }
  }

  @Test func `what is no capture is refused with the file's name`() {
    #expect(throws: CaptureError(file: "x", reason: "not a pcap or pcapng file")) {
      try CaptureReader(bytes: [1, 2, 3, 4, 5], name: "x")
    }
    #expect {
      try CaptureReader(path: "/nowhere/x.pcap")
    } throws: { error in
      "\(error)" == "/nowhere/x.pcap: No such file or directory"
    }
  }

  @Test func `an encoder makes files in memory`() throws {
    let encoder = try PcapEncoder(linkType: .ethernet, nanoseconds: false)
    let bytes =
      encoder.header
      + encoder.record(frame(1), at: Instant(nanoseconds: 3_000_004_567))
      + encoder.record([], at: .zero)
    var reader = try CaptureReader(bytes: bytes)
    let read = try reader.packets()
    #expect(read.map(\.time.nanoseconds) == [3_000_004_000, 0])
    #expect(read.map(\.frame) == [frame(1), []])
  }
}
