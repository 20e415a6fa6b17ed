import HopyardSimulator

/// `mkdir`, `rmdir`, `rm`, `cp`, `mv`, `ls`, `touch`, `chmod`, `mktemp` and `stat`.
enum FileCommands {
  static let all: [Command] = [
    Command("mkdir", options: mkdirOptions, run: mkdir),
    Command("rmdir", options: OptionSpecification("p"), run: rmdir),
    Command("rm", options: rmOptions, run: rm), Command("cp", options: cpOptions, run: cp),
    Command("mv", options: mvOptions, run: mv), Command("ls", options: lsOptions, run: ls),
    Command("touch", options: touchOptions, run: touch), Command("chmod", run: chmod),
    Command("mktemp", options: OptionSpecification("dq"), run: mktemp),
  ]

  private static func help(_ name: String) -> String {
    "Try '\(name) --help' for more information.\n"
  }

  private static let mkdirOptions = OptionSpecification("pm:v", long: ["parents=p", "mode:=m"])

  @Sendable private static func mkdir(_ process: Process, _ arguments: [String])
    async throws(ProcessExit) -> Int32
  {
    let options = try await process.options(mkdirOptions, arguments, usage: help("mkdir"))
    if options.operands.isEmpty {
      try await process.printError("mkdir: missing operand\n\(help("mkdir"))")
      return 1
    }
    var status: Int32 = 0
    for path in options.operands {
      do {
        try process.userland.files.makeDirectory(
          process.path(path),
          withParents: options.has("p")
        )
      } catch {
        try await process.printError("mkdir: cannot create directory '\(path)': \(error)\n")
        status = 1
      }
    }
    return status
  }

  @Sendable private static func rmdir(_ process: Process, _ arguments: [String])
    async throws(ProcessExit) -> Int32
  {
    let options = try await process.options(OptionSpecification("p"), arguments)
    var status: Int32 = 0
    for path in options.operands {
      do {
        try process.userland.files.remove(process.path(path), directory: true)
      } catch {
        try await process.printError("rmdir: failed to remove '\(path)': \(error)\n")
        status = 1
      }
    }
    return status
  }

  private static let rmOptions = OptionSpecification(
    "rRfvdi",
    long: ["recursive=r", "force=f", "dir=d"]
  )

  @Sendable private static func rm(_ process: Process, _ arguments: [String])
    async throws(ProcessExit) -> Int32
  {
    let options = try await process.options(rmOptions, arguments, usage: help("rm"))
    if options.operands.isEmpty, !options.has("f") {
      try await process.printError("rm: missing operand\n\(help("rm"))")
      return 1
    }
    var status: Int32 = 0
    for path in options.operands {
      do {
        try process.userland.files.remove(
          process.path(path),
          recursively: options.has("r") || options.has("R"),
          directory: options.has("d")
        )
      } catch {
        if error == .noSuchFile, options.has("f") { continue }
        try await process.printError("rm: cannot remove '\(path)': \(error)\n")
        status = 1
      }
    }
    return status
  }

  /// Where a file goes when the target is a directory.
  private static func target(_ process: Process, _ path: String, _ target: String) -> String {
    guard process.kind(of: target) == .directory else { return target }
    let name = path.split(separator: "/").last.map(String.init) ?? path
    return target.hasSuffix("/") ? target + name : target + "/" + name
  }

  private static let cpOptions = OptionSpecification(
    "rRafpv",
    long: ["recursive=r", "archive=a", "force=f"],
    refused: "ilsubLPnt:T"
  )

  @Sendable private static func cp(_ process: Process, _ arguments: [String])
    async throws(ProcessExit) -> Int32
  {
    let options = try await process.options(cpOptions, arguments, usage: help("cp"))
    guard let to = options.operands.last, options.operands.count > 1 else {
      let what =
        options.operands.first.map { "missing destination file operand after '\($0)'" }
        ?? "missing file operand"
      try await process.printError("cp: \(what)\n\(help("cp"))")
      return 1
    }
    let isRecursive = ["r", "R", "a"].contains(where: options.has)
    var status: Int32 = 0
    for path in options.operands.dropLast() {
      var waiting = [(path, target(process, path, to))]
      while let (from, to) = waiting.popLast() {
        if process.kind(of: from) == .directory {
          if !isRecursive {
            try await process.printError("cp: -r not specified; omitting directory '\(from)'\n")
            status = 1
            continue
          }
          if process.path(to).hasPrefix(process.path(from) + "/") {
            try await process.printError(
              "cp: cannot copy a directory, '\(from)', into itself, '\(to)'\n"
            )
            status = 1
            continue
          }
          try? process.userland.files.makeDirectory(process.path(to), withParents: true)
          let names =
            (try? process.userland.files.list(process.path(from), for: process)) ?? []
          waiting += names.reversed().map { ("\(from)/\($0)", "\(to)/\($0)") }
          continue
        }
        do {
          let bytes = try process.contents(of: from)
          let file = try process.open(to, .write)
          _ = try file.tryWrite(bytes[...])
        } catch {
          let what =
            process.kind(of: from) == nil
            ? "cannot stat '\(from)'" : "cannot create regular file '\(to)'"
          try await process.printError("cp: \(what): \(error)\n")
          status = 1
        }
      }
    }
    return status
  }

  private static let mvOptions = OptionSpecification("fv", long: ["force=f"], refused: "inbut:T")

  @Sendable private static func mv(_ process: Process, _ arguments: [String])
    async throws(ProcessExit) -> Int32
  {
    let options = try await process.options(mvOptions, arguments, usage: help("mv"))
    guard let to = options.operands.last, options.operands.count > 1 else {
      let what =
        options.operands.first.map { "missing destination file operand after '\($0)'" }
        ?? "missing file operand"
      try await process.printError("mv: \(what)\n\(help("mv"))")
      return 1
    }
    var status: Int32 = 0
    for path in options.operands.dropLast() {
      do {
        try process.userland.files.rename(
          process.path(path),
          to: process.path(target(process, path, to))
        )
      } catch {
        let what =
          process.kind(of: path) == nil
          ? "cannot stat '\(path)'" : "cannot move '\(path)' to '\(to)'"
        try await process.printError("mv: \(what): \(error)\n")
        status = 1
      }
    }
    return status
  }

  private static let lsOptions = OptionSpecification(
    "1adArSt",
    long: ["all=a", "directory=d"],
    refused: "lhRinsFCx"
  )

  @Sendable private static func ls(_ process: Process, _ arguments: [String])
    async throws(ProcessExit) -> Int32
  {
    let options = try await process.options(lsOptions, arguments, usage: help("ls"), status: 2)
    if options.has("S") || options.has("t") { throw .refused("ls: sorting is not modelled") }
    var status: Int32 = 0
    var files: [String] = []
    var directories: [String] = []
    for path in options.operands.isEmpty ? ["."] : options.operands {
      switch process.kind(of: path) {
      case nil:
        try await process.printError(
          "ls: cannot access '\(path)': No such file or directory\n"
        )
        status = 2
      case .directory? where !options.has("d"): directories.append(path)
      default: files.append(path)
      }
    }
    func ordered(_ names: [String]) -> [String] {
      let sorted = names.sorted { Array($0.utf8).lexicographicallyPrecedes(Array($1.utf8)) }
      return options.has("r") ? sorted.reversed() : sorted
    }
    var text = ordered(files).map { $0 + "\n" }.joined()
    for (index, path) in ordered(directories).enumerated() {
      if options.operands.count > 1 {
        text += (index > 0 || !files.isEmpty ? "\n" : "") + "\(path):\n"
      }
      do {
        var names = try process.userland.files.list(process.path(path), for: process)
        if !options.has("a"), !options.has("A") { names.removeAll { $0.hasPrefix(".") } }
        if options.has("a") { names += [".", ".."] }
        text += ordered(names).map { $0 + "\n" }.joined()
      } catch {
        try await process.printError("ls: cannot open directory '\(path)': \(error)\n")
        status = 2
      }
    }
    try await process.print(text)
    return status
  }

  private static let touchOptions = OptionSpecification("acm", refused: "d:r:t:h")

  @Sendable private static func touch(_ process: Process, _ arguments: [String])
    async throws(ProcessExit) -> Int32
  {
    let options = try await process.options(touchOptions, arguments, usage: help("touch"))
    var status: Int32 = 0
    for path in options.operands where process.kind(of: path) == nil && !options.has("c") {
      do {
        _ = try process.open(path, .append)
      } catch {
        try await process.printError("touch: cannot touch '\(path)': \(error)\n")
        status = 1
      }
    }
    return status
  }

  /// Modes mean nothing to root.
  @Sendable private static func chmod(_ process: Process, _ arguments: [String])
    async throws(ProcessExit) -> Int32
  {
    var status: Int32 = 0
    for path in arguments.filter({ !$0.hasPrefix("-") }).dropFirst()
    where process.kind(of: path) == nil {
      try await process.printError(
        "chmod: cannot access '\(path)': No such file or directory\n"
      )
      status = 1
    }
    return status
  }

  @Sendable private static func mktemp(_ process: Process, _ arguments: [String])
    async throws(ProcessExit) -> Int32
  {
    let options = try await process.options(OptionSpecification("dq"), arguments)
    var random = process.simulation.random
    let letters = Array("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
    let name = String((0..<10).map { _ in letters[Int(random.below(62))] })
    process.simulation.random = random
    let path = "/tmp/tmp.\(name)"
    do {
      if options.has("d") {
        try process.userland.files.makeDirectory(path)
      } else {
        try process.userland.files.write(path, [])
      }
    } catch {
      try await process.printError("mktemp: failed to create '\(path)': \(error)\n")
      return 1
    }
    try await process.print(path + "\n")
    return 0
  }
}
