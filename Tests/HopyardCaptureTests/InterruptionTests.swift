import Foundation
import HopyardCapture
import HopyardSimulator
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// What a capture looks like when its process or its disk ends too early.
@Suite(.serialized) struct InterruptionTests {
  /// Captures without end, until the process is killed after so many microseconds.
  static func captureUntilKilled(_ tap: any CaptureSink, payload: Int, after microseconds: UInt32) {
    let killer = Thread {
      usleep(microseconds)
      kill(getpid(), SIGKILL)
    }
    for id in 0..<3 { tap.register(point(id, "a", "eth\(id)")) }
    let frames = (0..<16).map { frame($0, payload: payload + 7 * $0) }
    killer.start()
    var number = 0
    while true {
      tap.capture(frames[number % 16], at: Int64(number), on: number % 3)
      number += 1
    }
  }

  static func expectWhole(in directory: String, _ scratch: Scratch) throws {
    #expect(!scratch.files.isEmpty)
    for file in scratch.files {
      #expect(throws: Never.self, "\(file)") { try packets(in: scratch.file(file)) }
      if let told = try run("capinfos", [scratch.file(file)]) {
        #expect(told.status == 0, "\(file)")
      }
    }
  }

  // The frames are long, so that most of the time is spent in writing.

  @Test(arguments: [40_000, 47_003, 53_017, 60_101] as [UInt32])
  func `a killed process leaves pcaps that open`(microseconds: UInt32) async throws {
    let scratch = Scratch()
    let directory = scratch.path
    await #expect(processExitsWith: .signal(SIGKILL)) {
      [directory = directory as String, microseconds = microseconds as UInt32] in
      InterruptionTests.captureUntilKilled(
        PcapDirectoryTap(directory: directory),
        payload: 8800,
        after: microseconds
      )
    }
    try Self.expectWhole(in: directory, scratch)
  }

  @Test(arguments: [41_001, 52_005] as [UInt32])
  func `a killed process leaves a pcapng that opens`(microseconds: UInt32) async throws {
    let scratch = Scratch()
    let directory = scratch.path
    await #expect(processExitsWith: .signal(SIGKILL)) {
      [directory = directory as String, microseconds = microseconds as UInt32] in
      InterruptionTests.captureUntilKilled(
        PcapngTap(file: directory + "/all.pcapng"),
        payload: 1360,
        after: microseconds
      )
    }
    try Self.expectWhole(in: directory, scratch)
  }

  @Test func `a file that may not grow ends with a whole record`() async throws {
    let scratch = Scratch()
    let directory = scratch.path
    await #expect(processExitsWith: .success) { [directory = directory as String] in
      signal(SIGXFSZ, SIG_IGN)
      var step = 0
      for limit in stride(from: 300, to: 400_000, by: 7919) {
        var bounds = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &bounds)
        bounds.rlim_cur = rlim_t(limit)
        setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &bounds)
        step += 1
        let pcaps = PcapDirectoryTap(directory: "\(directory)/\(step)")
        let pcapng = PcapngTap(file: "\(directory)/\(step)/all.pcapng")
        for tap in [pcaps, pcapng] as [any CaptureSink] {
          tap.register(point(0, "a", "eth0"))
          for number in 0..<5000 { tap.capture(frame(number), at: Int64(number), on: 0) }
          tap.finish()
          guard let failure = tap.failure, failure.code == EFBIG else { exit(3) }
        }
      }
      exit(0)
    }
    try Self.expectWhole(in: directory, scratch)
  }
}
