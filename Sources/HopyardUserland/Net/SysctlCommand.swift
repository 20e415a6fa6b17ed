/// `sysctl`, as procps 4.0 has it.
enum SysctlCommand {
  static let options = OptionSpecification(
    "bneNwpqaAXoxdhVr:f",
    long: [
      "all=a", "binary=b", "ignore=e", "names=N", "values=n", "load::=p", "pattern:=r", "quiet=q",
      "write=w", "help=h", "version=V", "deprecated=D",
    ],
    refusedLong: ["system", "dry-run"]
  )

  static let command = Command(
    "sysctl",
    check: { check in
      check.checkOptions(options)
      guard case .success(let parsed) = options.parse(check.texts), !parsed.has("p") else { return }
      for (operand, index) in zip(parsed.operands, parsed.operandIndices) {
        let key = path(of: String(operand.prefix { $0 != "=" }))
        let isKnown =
          key.hasPrefix("net/") || key == "net" || key.hasPrefix("kernel/hostname")
          || ["kernel/osrelease", "kernel/ostype", "kernel/printk"].contains(key)
        if !isKnown, operand.contains("=") || !operand.isEmpty, check.texts[index] != nil {
          check.report(index, "the setting `\(operand.prefix { $0 != "=" })' is not modelled")
        }
        if key.hasPrefix("net/ipv6/"), key.hasSuffix("/disable_ipv6"), operand.hasSuffix("=0") {
          check.report(index, "IPv6 is not modelled: disable_ipv6 stays 1")
        }
      }
    },
    run: { process, arguments async throws(ProcessExit) in
      var run = SysctlRun(process: process)
      return try await run.run(arguments)
    }
  )

  /// The path below `/proc/sys` of `a.b/c`: the first separator found says which one counts.
  static func path(of key: String) -> String {
    let trimmed = key.trimmed
    guard let first = trimmed.first(where: { $0 == "." || $0 == "/" }), first == "." else {
      return trimmed
    }
    return String(trimmed.map { $0 == "." ? "/" : $0 == "/" ? "." : $0 })
  }

  /// The dotted name of a path below `/proc/sys`.
  static func name(of path: String) -> String {
    String(path.map { $0 == "/" ? "." : $0 == "." ? "/" : $0 })
  }

  static let usage = """

    Usage:
     sysctl [options] [variable[=value] ...]

    Options:
      -a, --all            display all variables
      -A                   alias of -a
      -X                   alias of -a
          --deprecated     include deprecated parameters to listing
          --dry-run        Print the key and values but do not write
      -b, --binary         print value without new line
      -e, --ignore         ignore unknown variables errors
      -N, --names          print variable names without values
      -n, --values         print only values of the given variable(s)
      -p, --load[=<file>]  read values from file
      -f                   alias of -p
          --system         read values from all system directories
      -r, --pattern <expression>
                           select setting that match expression
      -q, --quiet          do not echo variable set
      -w, --write          enable writing a value to variable
      -o                   does nothing
      -x                   does nothing
      -d                   alias of -h

     -h, --help     display this help and exit
     -V, --version  output version information and exit

    For more details see sysctl(8).

    """
}

/// One run of `sysctl`.
private struct SysctlRun {
  let process: Process
  var isQuiet = false
  var ignoresUnknown = false
  var printsName = true
  var printsValue = true
  var endsLine = true
  var pattern: RegularExpression?
  private let root = "/proc/sys/"

  init(process: Process) { self.process = process }

  mutating func run(_ arguments: [String]) async throws(ProcessExit) -> Int32 {
    let parsed = try await process.options(
      SysctlCommand.options,
      arguments,
      usage: SysctlCommand.usage
    )
    if parsed.has("h") || parsed.has("d") {
      try await process.print(SysctlCommand.usage)
      return 0
    }
    if parsed.has("V") {
      try await process.print("sysctl from procps-ng 4.0.2\n")
      return 0
    }
    isQuiet = parsed.has("q")
    ignoresUnknown = parsed.has("e")
    if parsed.has("n") { printsName = false }
    if parsed.has("N") { printsValue = false }
    if parsed.has("b") {
      printsName = false
      endsLine = false
    }
    if let text = parsed["r"] {
      do {
        pattern = try RegularExpression(Array(text.utf8), syntax: .extended)
      } catch {
        try await process.printError("sysctl: \(text): \(error)\n")
        return 1
      }
    }
    if parsed.has("a") || parsed.has("A") || parsed.has("X") {
      return try await show("") ? 0 : 1
    }
    if parsed.has("p") || parsed.has("f") {
      var files = parsed.operands
      if let value = parsed["p"] { files.insert(value, at: 0) }
      if files.isEmpty { files = ["/etc/sysctl.conf"] }
      var status: Int32 = 0
      for file in files { status |= try await load(file) }
      return status
    }
    if parsed.operands.isEmpty {
      try await process.printError(SysctlCommand.usage)
      return 1
    }
    var failures: Int32 = 0
    for operand in parsed.operands {
      if operand.contains("=") {
        if try await !set(operand, source: "command line(0)") { failures += 1 }
      } else if parsed.has("w") {
        try await process.printError(
          "sysctl: command line(0): invalid syntax, continuing...\n"
        )
        failures += 1
      } else {
        if try await !show(SysctlCommand.path(of: operand)) { failures += 1 }
      }
    }
    return failures
  }

  /// Prints a file, or all in a directory.
  private func show(_ path: String) async throws(ProcessExit) -> Bool {
    switch process.kind(of: root + path) {
    case .directory:
      let names: [String]
      do {
        names = try process.userland.files.list(root + path, for: process)
      } catch {
        throw .failed(error)
      }
      for name in names.sorted() {
        let below = path.isEmpty ? name : path + "/" + name
        if ["net/ipv4/route/flush", "net/ipv6/route/flush"].contains(below) { continue }
        // A directory of another family may be listed without being there.
        let kind = process.kind(of: root + below)
        guard kind == .file || kind == .directory else { continue }
        if try await !show(below) { return false }
      }
      return true
    case .file:
      let name = SysctlCommand.name(of: path)
      if let pattern, pattern.firstMatch(in: Array(name.utf8)) == nil { return true }
      if !printsValue {
        try await process.print(name + "\n")
        return true
      }
      let bytes: [UInt8]
      do {
        bytes = try process.contents(of: root + path)
      } catch {
        try await process.printError("sysctl: reading key \"\(name)\": \(error)\n")
        return false
      }
      var value = String(decoding: bytes, as: UTF8.self)
      if value.hasSuffix("\n") { value.removeLast() }
      let text = (printsName ? "\(name) = " : "") + value + (endsLine ? "\n" : "")
      try await process.print(text)
      return true
    default:
      if ignoresUnknown { return true }
      try await process.printError(
        "sysctl: cannot stat /proc/sys/\(path): No such file or directory\n"
      )
      return false
    }
  }

  /// Writes `key=value`.
  private func set(_ text: String, source: String) async throws(ProcessExit) -> Bool {
    var key = text
    var value = ""
    if let mark = text.firstIndex(of: "=") {
      key = String(text[..<mark]).trimmed
      value = String(text[text.index(after: mark)...]).trimmed
    }
    var ignores = ignoresUnknown
    if key.hasPrefix("-") {
      ignores = true
      key.removeFirst()
    }
    let path = SysctlCommand.path(of: key)
    let name = SysctlCommand.name(of: path)
    if path.isEmpty {
      try await process.printError("sysctl: Path is not under /proc/sys/: /proc/sys/\n")
      return false
    }
    guard process.kind(of: root + path) == .file else {
      if ignoresUnknown { return true }
      try await process.printError(
        "sysctl: cannot stat /proc/sys/\(path): No such file or directory\n"
      )
      return false
    }
    do {
      let file = try process.open(root + path, .write)
      file.retain()
      defer { file.release() }
      _ = try file.tryWrite(Array((value + "\n").utf8)[...])
    } catch {
      // A file that nobody may write is told of, and counts as success.
      let isReadOnly = error == .accessDenied
      let reason = isReadOnly ? Errno.invalidArgument : error
      try await process.printError("sysctl: setting key \"\(name)\": \(reason)\n")
      return ignores || isReadOnly
    }
    if isQuiet { return true }
    if !printsValue {
      try await process.print(name + "\n")
    } else if printsName {
      try await process.print("\(name) = \(value)\n")
    } else {
      try await process.print(value + (endsLine ? "\n" : ""))
    }
    return true
  }

  /// Takes settings from a file.
  private func load(_ file: String) async throws(ProcessExit) -> Int32 {
    let bytes: [UInt8]
    if file == "-" {
      bytes = try await process.readAll()
    } else {
      do {
        bytes = try process.contents(of: file)
      } catch {
        try await process.printError("sysctl: cannot open \"\(file)\": \(error)\n")
        return 1
      }
    }
    let lines = String(decoding: bytes, as: UTF8.self).split(
      separator: "\n",
      omittingEmptySubsequences: false
    )
    var settings: [String] = []
    for (index, line) in lines.enumerated() {
      let text = String(line).trimmed
      if text.isEmpty || text.hasPrefix("#") || text.hasPrefix(";") { continue }
      guard text.contains("=") else {
        try await process.printError(
          "sysctl: \(file)(\(index + 1)): invalid syntax, continuing...\n"
        )
        continue
      }
      settings.append(text)
    }
    var status: Int32 = 0
    for setting in settings where try await !set(setting, source: file) {
      status = 1
    }
    return status
  }
}

extension String {
  /// The text without white space at its ends.
  var trimmed: String {
    let isSpace: (Character) -> Bool = { " \t\r\n".contains($0) }
    guard let first = firstIndex(where: { !isSpace($0) }),
      let last = lastIndex(where: { !isSpace($0) })
    else { return "" }
    return String(self[first...last])
  }
}
