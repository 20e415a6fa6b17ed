import Foundation
import HopyardCapture
import HopyardSimulator
import Testing

@Suite struct PcapngTests {
  let scratch = Scratch()

  @Test func `one file holds every interface, direction and comment`() throws {
    let path = scratch.file("out/all.pcapng")
    let tap = PcapngTap(file: path, commentWindow: 2)
    tap.register(point(0, "host", "docker0"))
    tap.register(point(1, "c1", "eth0"))
    tap.register(point(2, "root", "eth0", machine: "n1", linkType: .raw))
    tap.capture(frame(1), at: 5, on: 1, direction: .outgoing)
    tap.annotate(packet: 0, with: "nat POSTROUTING rule 1")
    tap.annotate(packet: 0, with: "accepted")
    tap.capture(frame(2), at: 4_294_967_296_000_000_001, on: 0)
    tap.capture(Array(frame(3).dropFirst(14)), at: 7, on: 2)
    tap.annotate(packet: 0, with: "too late")
    tap.annotate(packet: 2, with: "in time")
    tap.annotate(packet: 9, with: "never")
    tap.finish()

    var reader = try CaptureReader(path: path)
    let read = try reader.packets()
    #expect(reader.interfaces.map(\.name) == ["c1/eth0", "host/docker0", "n1/root/eth0"])
    #expect(reader.interfaces.map(\.linkType) == [1, 1, 101])
    #expect(read.map(\.interface) == [0, 1, 2])
    #expect(read.map(\.direction) == [.outgoing, .incoming, .incoming])
    #expect(read.map(\.time.nanoseconds) == [5, 4_294_967_296_000_000_001, 7])
    #expect(read.map(\.comment) == ["nat POSTROUTING rule 1\naccepted", "", "in time"])
    #expect(read.map(\.frame) == [frame(1), frame(2), Array(frame(3).dropFirst(14))])
    if let told = try run("capinfos", [path]) { #expect(told.status == 0) }
  }

  @Test func `a record has a file for each namespace, also without a packet`() throws {
    let tap = RecordTap(directory: scratch.path)
    tap.register(point(0, "host", "lo", ifindex: 1))
    tap.register(point(1, "a", "lo", ifindex: 1))
    tap.register(point(2, "a", "veth0"))
    tap.capture(frame(1), at: 1, on: 2, direction: .outgoing)
    tap.register(point(3, "a", "late", ifindex: 3))
    tap.capture(frame(2), at: 2, on: 3)
    tap.finish()

    #expect(scratch.files == ["capture/a.pcapng", "capture/host.pcapng"])
    var host = try CaptureReader(path: scratch.file("capture/host.pcapng"))
    #expect(try host.packets().isEmpty)
    #expect(host.interfaces.map(\.name) == ["lo"])
    var a = try CaptureReader(path: scratch.file("capture/a.pcapng"))
    #expect(try a.packets().map(\.interface) == [1, 2])
    #expect(a.interfaces.map(\.name) == ["lo", "veth0", "late"])
  }

  @Test(arguments: [false, true]) func `a renamed interface has its last name`(
    afterWriting: Bool
  ) throws {
    let tap = RecordTap(directory: scratch.path)
    tap.register(point(0, "a", "lo", ifindex: 1))
    tap.register(point(1, "a", "v"))
    tap.register(point(2, "a", "x", ifindex: 3))
    tap.capture(frame(1), at: 1, on: 1)
    if afterWriting { tap.flush() }
    tap.rename(point: 1, to: "a-longer-name15")
    tap.rename(point: 2, to: "a-name-of-far-too-many-bytes")
    tap.capture(frame(2), at: 2, on: 1)
    tap.rename(point: 1, to: "eth0")
    tap.finish()

    var reader = try CaptureReader(path: scratch.file("capture/a.pcapng"))
    #expect(try reader.packets().map(\.frame) == [frame(1), frame(2)])
    #expect(reader.interfaces.map(\.name) == ["lo", "eth0", "a-name-of-far-to"])
  }

  @Test func `a namespace made anew replaces the former one`() throws {
    let tap = RecordTap(directory: scratch.path)
    tap.register(point(0, "a", "lo", ifindex: 1))
    tap.register(point(1, "a", "former"))
    tap.capture(frame(1), at: 1, on: 1)
    tap.register(point(2, "a", "lo", ifindex: 1))
    tap.register(point(3, "a", "latter"))
    tap.capture(frame(2), at: 2, on: 1)
    tap.capture(frame(3), at: 3, on: 3)
    tap.finish()
    var reader = try CaptureReader(path: scratch.file("capture/a.pcapng"))
    #expect(try reader.packets().map(\.frame) == [frame(3)])
    #expect(reader.interfaces.map(\.name) == ["lo", "latter"])
  }

  @Test func `no block crosses a page`() throws {
    let path = scratch.file("all.pcapng")
    let tap = PcapngTap(file: path, commentWindow: 1)
    for id in 0..<40 { tap.register(point(id, "ns\(id)", "eth0")) }
    for number in 0..<3000 {
      tap.capture(frame(number, payload: number * 7 % 1472), at: Int64(number), on: number % 40)
      if number % 3 == 0 {
        tap.annotate(packet: number, with: String(repeating: "x", count: number % 50))
      }
    }
    tap.finish()
    let bytes = scratch.bytes("all.pcapng")
    var offset = 0
    while offset < bytes.count {
      let length = bytes[(offset + 4)..<(offset + 8)].reversed().reduce(0) { $0 << 8 | Int($1) }
      #expect(offset / 4096 == (offset + length - 1) / 4096)
      offset += length
    }
    #expect(offset == bytes.count)
    #expect(
      try packets(in: path).map(\.frame) == (0..<3000).map { frame($0, payload: $0 * 7 % 1472) }
    )
    if let told = try run("capinfos", ["-c", path]) {
      #expect(told.status == 0)
      #expect(told.output.contains("3000") || told.output.contains("3 k"))
    }
    if let told = try run(
      "tshark",
      ["-r", path, "-d", "udp.port==1-65535,data", "-Y", "_ws.malformed"]
    ) {
      #expect(told.status == 0)
      #expect(told.output.isEmpty)
    }
  }

  @Test(.enabled(if: FileManager.default.fileExists(atPath: "/dev/full")))
  func `a full disk is an error with the name of the file`() throws {
    let tap = PcapngTap(file: "/dev/full")
    tap.register(point(0, "a", "eth0"))
    tap.capture(frame(1), at: 1, on: 0)
    let fanout = CaptureFanout([PcapDirectoryTap(directory: scratch.path), tap])
    #expect(fanout.failure?.description == "/dev/full: No space left on device")
  }

  @Test func `a fanout feeds every sink`() throws {
    let fanout = CaptureFanout([
      PcapDirectoryTap(directory: scratch.path), PcapngTap(file: scratch.file("all.pcapng")),
      RecordTap(directory: scratch.path),
    ])
    fanout.register(point(0, "a", "lo", ifindex: 1))
    fanout.rename(point: 0, to: "lo0")
    fanout.capture(frame(1), at: 1, on: 0)
    fanout.finish()
    #expect(scratch.files == ["a/lo0.pcap", "all.pcapng", "capture/a.pcapng"])
    #expect(fanout.failure == nil)
    for file in scratch.files { #expect(try packets(in: scratch.file(file)).count == 1) }
  }
}
