import HopyardSimulator

/// ip(8).
enum IpCommand {
  /// The command for the table.
  static let command = Command(
    "ip",
    check: { check($0) },
    run: { process, arguments throws(ProcessExit) in
      try await run(process, arguments)
    }
  )

  // MARK: Before anything runs

  static func check(_ check: CommandCheck) {
    var options = IpOptions()
    switch options.read(check.texts) {
    case .refused(let index, let message): check.report(index, message)
    case .version, .usage, .failure: return
    case .object(let index):
      guard index < check.texts.count, let word = check.texts[index],
        let object = IpObject.find(word)
      else { return }
      guard object.run != nil else {
        check.report(index, "the object `\(object.name)' of ip is not modelled")
        return
      }
      let rest = Array(check.texts[(index + 1)...])
      if let refusal = object.check(rest, options) {
        check.report(index + 1 + refusal.index, refusal.message)
      }
      if object.name == "netns", let command = nestedCommand(rest, options) {
        check.checkCommand(from: index + 1 + command)
      }
    }
  }

  /// Where the command of `netns exec NAME COMMAND` begins.
  private static func nestedCommand(_ arguments: [String?], _ options: IpOptions) -> Int? {
    guard let first = arguments.first, let verb = first, IpOptions.matches(verb, "exec") else {
      return nil
    }
    return options.isAll ? 1 : 2
  }

  // MARK: Running

  static func run(_ process: Process, _ arguments: [String]) async throws(ProcessExit) -> Int32 {
    var options = IpOptions()
    let outcome = options.read(arguments)
    switch outcome {
    case .refused(_, let message): throw .refused(message)
    case .usage:
      try await process.printError(usage)
      return 255
    case .version:
      try await process.print("ip utility, iproute2-6.1.0, libbpf 1.1.2\n")
      return 0
    case .failure(let text, let status):
      try await process.printError(text)
      return status
    case .object(let index):
      let current = process.namespace
      let context = IpContext(options: options, process: process, namespace: current)
      if let name = options.namespace {
        guard let found = namespace(named: name, near: current) else {
          try await process.printError(
            "Cannot open network namespace \"\(name)\": No such file or directory\n"
          )
          return 255
        }
        context.namespace = found
      }
      if let file = options.batch { return try await runBatch(file, context, process) }
      guard index < arguments.count else {
        try await process.printError(usage)
        return 255
      }
      return try await run(Array(arguments[index...]), context)
    }
  }

  /// The namespace of a name, as `/run/netns` has it: all but the one in which the machine starts.
  static func namespace(
    named name: String,
    near other: NetworkNamespace
  ) -> NetworkNamespace? {
    other.machine.namespaces.first { $0 !== other.machine.root && $0.name == name }
  }

  /// Runs one command, from its object on, and writes what it printed.
  static func run(
    _ words: [String],
    _ context: IpContext
  ) async throws(ProcessExit) -> Int32 {
    let status: Int32
    do {
      status = try await perform(words, context)
    } catch {
      try await flush(context)
      throw error
    }
    try await flush(context)
    return status
  }

  /// Runs one command, from its object on, and collects what it prints.
  static func perform(
    _ words: [String],
    _ context: IpContext
  ) async throws(ProcessExit) -> Int32 {
    guard let word = words.first, let object = IpObject.find(word) else {
      context.printError("Object \"\(words.first ?? "")\" is unknown, try \"ip help\".\n")
      return 1
    }
    guard let body = object.run else {
      throw .refused("the object `\(object.name)' of ip is not modelled")
    }
    let arguments = Array(words.dropFirst())
    if let refusal = object.check(arguments, context.options) { throw .refused(refusal.message) }
    return try await body(context, arguments)
  }

  /// Writes what was collected.
  static func flush(_ context: IpContext) async throws(ProcessExit) {
    let written = context.takeWritten()
    guard let process = context.process else { return }
    for (descriptor, text) in written {
      if descriptor == 1 {
        try await process.print(text)
      } else {
        try await process.printError(text)
      }
    }
  }

  // MARK: Batch

  private static func runBatch(
    _ name: String,
    _ context: IpContext,
    _ process: Process
  ) async throws(ProcessExit) -> Int32 {
    var bytes: [UInt8] = []
    if name == "-" {
      bytes = try await process.readAll()
    } else {
      do {
        bytes = try process.contents(of: name)
      } catch {
        try await process.printError("Cannot open file \"\(name)\" for reading: \(error)\n")
        return 1
      }
    }
    var status: Int32 = 0
    for line in IpBatchLine.lines(of: String(decoding: bytes, as: UTF8.self)) {
      try await process.step()
      if line.words.isEmpty { continue }
      context.endsCommandOnly = false
      var result: Int32
      do {
        result = try await run(line.words, context)
      } catch {
        // What is wrong with the words themselves ends ip, and with it the batch.
        guard case .status(let given) = error, context.endsCommandOnly else { throw error }
        result = given
      }
      if result == 255 { throw .status(255) }
      if result != 0 {
        try await process.printError("Command failed \(name):\(line.number)\n")
        status = 1
        if !context.options.isForced { break }
      }
    }
    return status
  }
}

/// A command of a batch file.
struct IpBatchLine {
  /// Its words.
  var words: [String]
  /// The number of its last line.
  var number: Int

  /// Splits a batch file: `#` begins a comment, a backslash at the end continues a line, quotes
  /// hold words together.
  static func lines(of text: String) -> [IpBatchLine] {
    var found: [IpBatchLine] = []
    var pending = ""
    var number = 0
    for raw in text.split(separator: "\n", omittingEmptySubsequences: false) {
      number += 1
      var line = raw[...]
      if let comment = line.firstIndex(of: "#") { line = line[..<comment] }
      if line.hasSuffix("\\") {
        pending += line.dropLast()
        continue
      }
      found.append(IpBatchLine(words: words(pending + line), number: number))
      pending = ""
    }
    if !pending.isEmpty { found.append(IpBatchLine(words: words(pending), number: number)) }
    return found
  }

  private static func words(_ line: String) -> [String] {
    var words: [String] = []
    var word: String?
    var quote: Character?
    for character in line {
      if let open = quote {
        if character == open { quote = nil } else { word?.append(character) }
      } else if character == "'" || character == "\"" {
        quote = character
        word = word ?? ""
      } else if character == " " || character == "\t" || character == "\r" {
        if let done = word { words.append(done) }
        word = nil
      } else {
        word = (word ?? "") + String(character)
      }
    }
    if let word { words.append(word) }
    return words
  }
}
