import Foundation

/// Keeps the present input where a crash or a hang can still save it.
///
/// A signal handler can use nothing but memory that is already there and `write`, so the input and
/// the file's name live in plain buffers.
enum CrashGuard {
  private static let capacity = 1 << 20
  nonisolated(unsafe) private static let input = UnsafeMutableRawPointer.allocate(
    byteCount: capacity,
    alignment: 16
  )
  nonisolated(unsafe) private static var inputCount = 0
  nonisolated(unsafe) private static var path = strdup("fuzz-crash")
  nonisolated(unsafe) private static var label = strdup("")
  nonisolated(unsafe) private static var labelCount = 0

  /// Installs the handlers; a crash writes the present input to `file`.
  static func install(saving file: String) {
    free(path)
    path = strdup(file)
    // A stack of its own, so that a stack overflow is reported as well.
    var stack = stack_t()
    stack.ss_size = 1 << 16
    stack.ss_sp = UnsafeMutableRawPointer.allocate(byteCount: stack.ss_size, alignment: 16)
    sigaltstack(&stack, nil)
    for signal in [SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGABRT, SIGFPE, SIGALRM] {
      var action = sigaction()
      action.sa_flags = Int32(SA_ONSTACK) | Int32(bitPattern: UInt32(SA_RESETHAND))
      action.__sigaction_handler.sa_handler = { number in CrashGuard.report(number) }
      sigaction(signal, &action, nil)
    }
  }

  /// Remembers the input that is about to be used, and gives it some seconds.
  static func enter(_ bytes: [UInt8], label text: String? = nil, seconds: UInt32 = 0) {
    inputCount = min(bytes.count, capacity)
    bytes.withUnsafeBytes { source in
      if let base = source.baseAddress { input.copyMemory(from: base, byteCount: inputCount) }
    }
    if let text { name(text) }
    if seconds > 0 { alarm(seconds) }
  }

  /// Says what is being done, for the report.
  static func name(_ text: String) {
    free(label)
    label = strdup(text)
    labelCount = text.utf8.count
  }

  /// Ends the time limit.
  static func leave() { alarm(0) }

  /// Writes the present input to the file.
  static func save() {
    let file = path.map { open($0, O_WRONLY | O_CREAT | O_TRUNC, 0o644) } ?? -1
    if file >= 0 {
      _ = write(file, input, inputCount)
      close(file)
    }
  }

  private static func report(_ number: Int32) {
    save()
    say(number == SIGALRM ? "\nfuzz: hang in " : "\nfuzz: crash in ")
    if let label { _ = write(STDERR_FILENO, label, labelCount) }
    say("\nfuzz: the input is in ")
    if let path { _ = write(STDERR_FILENO, path, strlen(path)) }
    say("\n")
    if number == SIGALRM { _exit(3) }
    raise(number)
  }

  private static func say(_ text: StaticString) {
    _ = write(STDERR_FILENO, text.utf8Start, text.utf8CodeUnitCount)
  }
}
