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
  static func captureUntilKilled(in directory: String, after microseconds: UInt32) {
    let killer = Thread {
      usleep(microseconds)
      kill(getpid(), SIGKILL)
    }
    let tap = CaptureFanout([
      PcapDirectoryTap(directory: directory), PcapngTap(file: directory + "/all.pcapng"),
    ])
    for id in 0..<3 { tap.register(point(id, "a", "eth\(id)")) }
    let frames = (0..<16).map { frame($0, payload: 33 + 7 * $0) }
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

  @Test func `a killed process leaves files that open`() async throws {
    for microseconds in [60_000, 73_001, 91_507, 120_011] as [UInt32] {
      let scratch = Scratch()
      let directory = scratch.path
      await #expect(processExitsWith: .signal(SIGKILL)) {
        [directory = directory as String, microseconds = microseconds as UInt32] in
        InterruptionTests.captureUntilKilled(in: directory, after: microseconds)
      }
      try Self.expectWhole(in: directory, scratch)
    }
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
