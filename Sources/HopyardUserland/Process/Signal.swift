/// A signal by its Linux number.
public struct Signal: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
  /// The number of the signal.
  public let rawValue: Int32

  /// Takes a signal number.
  public init(rawValue: Int32) { self.rawValue = rawValue }

  /// `SIGHUP`, 1.
  public static let hangup = Signal(rawValue: 1)
  /// `SIGINT`, 2.
  public static let interrupt = Signal(rawValue: 2)
  /// `SIGQUIT`, 3.
  public static let quit = Signal(rawValue: 3)
  /// `SIGKILL`, 9.
  public static let kill = Signal(rawValue: 9)
  /// `SIGUSR1`, 10.
  public static let user1 = Signal(rawValue: 10)
  /// `SIGUSR2`, 12.
  public static let user2 = Signal(rawValue: 12)
  /// `SIGPIPE`, 13.
  public static let pipe = Signal(rawValue: 13)
  /// `SIGALRM`, 14.
  public static let alarm = Signal(rawValue: 14)
  /// `SIGTERM`, 15.
  public static let terminate = Signal(rawValue: 15)
  /// `SIGCHLD`, 17.
  public static let child = Signal(rawValue: 17)

  static let names: [(name: String, number: Int32)] = [
    ("HUP", 1), ("INT", 2), ("QUIT", 3), ("ILL", 4), ("TRAP", 5), ("ABRT", 6), ("BUS", 7),
    ("FPE", 8), ("KILL", 9), ("USR1", 10), ("SEGV", 11), ("USR2", 12), ("PIPE", 13), ("ALRM", 14),
    ("TERM", 15), ("STKFLT", 16), ("CHLD", 17), ("CONT", 18), ("STOP", 19), ("TSTP", 20),
    ("TTIN", 21), ("TTOU", 22), ("URG", 23), ("XCPU", 24), ("XFSZ", 25), ("VTALRM", 26),
    ("PROF", 27), ("WINCH", 28), ("IO", 29), ("PWR", 30), ("SYS", 31),
  ]

  /// Reads `9`, `KILL` or `SIGKILL`.
  public init?(_ text: String) {
    if let number = Int32(text) {
      guard (0...64).contains(number) else { return nil }
      rawValue = number
      return
    }
    let upper = text.uppercased()
    let name = upper.hasPrefix("SIG") ? String(upper.dropFirst(3)) : upper
    guard let found = Self.names.first(where: { $0.name == name }) else { return nil }
    rawValue = found.number
  }

  /// Its name without `SIG`.
  public var description: String {
    Self.names.first { $0.number == rawValue }?.name ?? String(rawValue)
  }

  /// Whether a process that does nothing about it goes on.
  var isIgnoredByDefault: Bool {
    [0, 17, 18, 23, 28].contains(rawValue)
  }

  /// Whether it stops a process instead of ending it.
  var isStop: Bool { (19...22).contains(rawValue) }
}
