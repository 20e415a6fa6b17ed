import Foundation
import HopyardCapture
import HopyardSimulator
import Testing

@Suite struct PcapDirectoryTests {
  let scratch = Scratch()

  @Test func `each interface gets its own file with its first frame`() throws {
    let tap = PcapDirectoryTap(directory: scratch.path)
    tap.register(point(0, "host", "docker0"))
    tap.register(point(1, "c1", "eth0"))
    tap.register(point(2, "c1", "lo", ifindex: 1))
    tap.capture(frame(1), at: 1_500_000_007, on: 1, direction: .outgoing)
    #expect(scratch.files == ["c1/eth0.pcap"])
    tap.capture(frame(2), at: 1_500_000_008, on: 0)
    tap.finish()

    #expect(scratch.files == ["c1/eth0.pcap", "host/docker0.pcap"])
    let read = try packets(in: scratch.file("c1/eth0.pcap"))
    #expect(read.map(\.frame) == [frame(1)])
    #expect(read.map(\.time.nanoseconds) == [1_500_000_007])
    #expect(tap.failure == nil)
  }

  @Test func `machines come before namespaces and odd bytes are escaped`() throws {
    let tap = PcapDirectoryTap(directory: scratch.path)
    tap.register(point(0, "root", "eth0", machine: "n1"))
    tap.register(point(1, "..", "a/b c", machine: "pod é"))
    tap.register(point(2, ".", "x@y-z_1.5"))
    for id in 0..<3 { tap.capture(frame(id), at: Int64(id), on: id) }
    tap.finish()
    #expect(
      scratch.files == [
        "%2E/x@y-z_1.5.pcap", "n1/root/eth0.pcap", "pod%20%C3%A9/%2E%2E/a%2Fb%20c.pcap",
      ]
    )
  }

  @Test func `a file keeps the name of the first frame and a later interface gets a number`() throws
  {
    let tap = PcapDirectoryTap(directory: scratch.path)
    tap.register(point(0, "a", "veth7"))
    tap.rename(point: 0, to: "eth0")
    tap.capture(frame(1), at: 1, on: 0)
    tap.rename(point: 0, to: "old")
    tap.register(point(1, "a", "eth0"))
    tap.capture(frame(2), at: 2, on: 1)
    tap.register(point(2, "a", "eth0.2"))
    tap.capture(frame(3), at: 3, on: 2)
    tap.register(point(3, "a", "eth0"))
    tap.capture(frame(4), at: 4, on: 3)
    tap.finish()
    #expect(
      scratch.files == ["a/eth0.2.2.pcap", "a/eth0.2.pcap", "a/eth0.3.pcap", "a/eth0.pcap"]
    )
  }

  @Test(arguments: [LinkType.ethernet, .raw]) func `tshark and capinfos read it`(
    linkType: LinkType
  ) throws {
    let tap = PcapDirectoryTap(directory: scratch.path)
    tap.register(point(0, "a", "eth0", linkType: linkType))
    let bytes = linkType == .raw ? Array(frame(1).dropFirst(14)) : frame(1)
    tap.capture(bytes, at: 1_000_000_001, on: 0)
    tap.finish()
    let path = scratch.file("a/eth0.pcap")
    if let told = try run("capinfos", [path]) { #expect(told.status == 0) }
    if let told = try run(
      "tshark",
      ["-r", path, "-T", "fields", "-e", "frame.time_epoch", "-e", "ip.src"]
    ) {
      #expect(told.status == 0)
      #expect(told.output.hasPrefix("1.000000001\t10.0.0.1") || told.output.contains("10.0.0.1"))
    }
  }

  @Test func `300 interfaces with few open files lose nothing`() throws {
    for openFiles in [256, 3] {
      let tap = PcapDirectoryTap(
        directory: scratch.file("\(openFiles)"),
        openFiles: openFiles,
        memoryLimit: 1 << 20
      )
      for id in 0..<300 { tap.register(point(id, "ns\(id % 7)", "eth\(id)")) }
      for number in 0..<40 {
        for id in 0..<300 {
          tap.capture(frame(number), at: Int64(number * 300 + id), on: id)
        }
      }
      tap.finish()
      #expect(tap.failure == nil)
      for id in 0..<300 {
        let read = try packets(in: scratch.file("\(openFiles)/ns\(id % 7)/eth\(id).pcap"))
        #expect(read.map(\.frame) == (0..<40).map { frame($0) })
      }
    }
    #expect(scratch.files.count == 600)
  }

  @Test func `frames of all lengths come back`() throws {
    let tap = PcapDirectoryTap(directory: scratch.path)
    tap.register(point(0, "a", "eth0"))
    let lengths = [0, 1, 59, 60, 1500, 9000, 65_549, 100_000, 300_000, 3]
    for (number, length) in lengths.enumerated() {
      tap.capture([UInt8](repeating: UInt8(number), count: length), at: Int64(number), on: 0)
    }
    tap.finish()
    let read = try packets(in: scratch.file("a/eth0.pcap"))
    #expect(read.map(\.originalLength) == lengths)
    #expect(read.map(\.frame.count) == lengths.map { min($0, PcapEncoder.snapshotLength) })
  }

  @Test func `a directory that cannot be made is an error with its name`() throws {
    _ = FileManager.default.createFile(atPath: scratch.file("a"), contents: Data())
    let tap = PcapDirectoryTap(directory: scratch.path)
    tap.register(point(0, "a", "eth0"))
    tap.capture(frame(1), at: 1, on: 0)
    #expect(tap.failure?.file == scratch.file("a/eth0.pcap"))
    #expect(tap.failure?.code == ENOTDIR)
  }

  @Test(.enabled(if: FileManager.default.fileExists(atPath: "/dev/full")))
  func `a full disk is an error with the name of the file`() throws {
    let path = scratch.file("a/eth0.pcap")
    try FileManager.default.createDirectory(
      atPath: scratch.file("a"),
      withIntermediateDirectories: true
    )
    try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: "/dev/full")
    let tap = PcapDirectoryTap(directory: scratch.path)
    tap.register(point(0, "a", "eth0"))
    tap.capture(frame(1), at: 1, on: 0)
    tap.finish()
    #expect(tap.failure?.description == "\(path): No space left on device")
  }

  @Test func `unknown points are ignored`() {
    let tap = PcapDirectoryTap(directory: scratch.path)
    tap.register(point(-1, "a", "eth0"))
    tap.capture(frame(1), at: 1, on: -1)
    tap.capture(frame(1), at: 1, on: 99)
    tap.rename(point: 5, to: "x")
    tap.finish()
    #expect(scratch.files.isEmpty)
  }
}
