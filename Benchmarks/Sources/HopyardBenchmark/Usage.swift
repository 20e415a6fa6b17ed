import Glibc

/// What this process has consumed so far.
struct Usage {
  var userSeconds: Double
  var systemSeconds: Double
  var residentKB: Int

  var cpuSeconds: Double { userSeconds + systemSeconds }

  /// Reads the counters of the process and its resident set.
  static func now() -> Usage {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return Usage(
      userSeconds: seconds(usage.ru_utime),
      systemSeconds: seconds(usage.ru_stime),
      residentKB: residentKB()
    )
  }

  private static func seconds(_ time: timeval) -> Double {
    Double(time.tv_sec) + Double(time.tv_usec) * 1e-6
  }

  private static func residentKB() -> Int {
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    guard fgets(&line, 256, file) != nil else { return 0 }
    let text = line.prefix { $0 != 0 }.map { Character(UnicodeScalar(UInt8(bitPattern: $0))) }
    let fields = String(text).split(separator: " ")
    guard fields.count > 1, let pages = Int(fields[1]) else { return 0 }
    return pages * (sysconf(Int32(_SC_PAGESIZE)) / 1024)
  }
}
