import HopyardSimulator

extension Shell {
  /// Runs `body` with redirections that end with it; it does not run when one of them fails.
  func redirected(
    _ redirections: [Redirection],
    _ body: (Shell) async throws(ShellUnwind) -> Void
  ) async throws(ShellUnwind) {
    if redirections.isEmpty {
      try await body(self)
      return
    }
    let saved = process.openDescriptors
    for (_, file) in saved { file.retain() }
    defer {
      for (number, _) in process.openDescriptors
      where !saved.contains(where: { $0.number == number }) {
        process.setDescriptor(number, nil)
      }
      for (number, file) in saved {
        process.setDescriptor(number, file)
        file.release()
      }
    }
    if try await apply(redirections) { try await body(self) }
  }

  /// Makes redirections that last; false when one failed, which was said and is in `status`.
  func apply(_ redirections: [Redirection]) async throws(ShellUnwind) -> Bool {
    for redirection in redirections where try await !apply(redirection) {
      status = flavour == .dash ? 2 : 1
      return false
    }
    return true
  }

  private func apply(_ redirection: Redirection) async throws(ShellUnwind) -> Bool {
    switch redirection.kind {
    case .input(let word):
      return try await open(word, .read, redirection.descriptor ?? 0)
    case .output(let word, let isAppend):
      return try await open(word, isAppend ? .append : .write, redirection.descriptor ?? 1)
    case .readWrite(let word):
      return try await open(word, .readWrite, redirection.descriptor ?? 0)
    case .both(let word, let isAppend):
      guard try await open(word, isAppend ? .append : .write, 1) else { return false }
      process.setDescriptor(2, process.descriptor(1))
      return true
    case .duplicate(let word, let isInput):
      let number = redirection.descriptor ?? (isInput ? 0 : 1)
      let target = try await expandToString(word)
      if target == "-" {
        process.setDescriptor(number, nil)
        return true
      }
      guard let from = Int32(target) else {
        try await complain("\(target): ambiguous redirect")
        return false
      }
      guard let file = process.descriptor(from) else {
        try await complain("\(target): Bad file descriptor")
        return false
      }
      process.setDescriptor(number, file)
      return true
    case .text(let word):
      provide(try await expandToString(word), redirection.descriptor ?? 0)
      return true
    case .hereString(let word):
      provide(try await expandToString(word) + "\n", redirection.descriptor ?? 0)
      return true
    }
  }

  private func provide(_ text: String, _ number: Int32) {
    process.setDescriptor(number, TextFile(Array(text.utf8)))
  }

  private func open(_ word: Word, _ mode: OpenMode, _ number: Int32) async throws(ShellUnwind)
    -> Bool
  {
    let names = try await expand([word])
    guard names.count == 1 else {
      try await complain("\(word.literal ?? "$"): ambiguous redirect")
      return false
    }
    if names[0].hasPrefix("/dev/tcp/") || names[0].hasPrefix("/dev/udp/") {
      throw .process(.refused("bash's own \(names[0]) is not modelled"))
    }
    do {
      process.setDescriptor(number, try process.open(names[0], mode))
      return true
    } catch {
      if flavour == .dash {
        let verb = mode == .read ? "open" : "create"
        let reason =
          error == .noSuchFile
          ? mode == .read ? "No such file" : "Directory nonexistent"
          : error.description
        try await complain("cannot \(verb) \(names[0]): \(reason)")
      } else {
        try await complain("\(names[0]): \(error)")
      }
      return false
    }
  }
}

/// The text of a here-document.
private final class TextFile: OpenFile {
  private let bytes: [UInt8]
  private var position = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  override func tryRead(_ limit: Int) throws(Errno) -> [UInt8]? {
    let end = min(bytes.count, position + limit)
    defer { position = end }
    return Array(bytes[position..<end])
  }
}
