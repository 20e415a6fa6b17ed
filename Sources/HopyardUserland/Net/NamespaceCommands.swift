import HopyardSimulator

/// `nsenter` and `unshare`, for network namespaces.
enum NamespaceCommands {
  private static let enterOptions = OptionSpecification(
    "+t:n::",
    long: ["target:=t", "net::=n"],
    refused: "am::u::i::p::C::U::T::S:G:w::r::FeZ",
    refusedLong: [
      "all", "mount::", "uts::", "ipc::", "pid::", "cgroup::", "user::", "time::", "root::",
      "wd::", "no-fork", "setuid:", "setgid:", "preserve-credentials",
    ]
  )

  static let nsenter = Command(
    "nsenter",
    check: { check in checkRest(check, enterOptions) },
    run: { process, arguments async throws(ProcessExit) in
      let parsed = try await process.options(enterOptions, arguments)
      var entered: NetworkNamespace?
      if let path = parsed["n"] {
        let name = path.split(separator: "/").last.map(String.init) ?? ""
        guard path.hasPrefix("/var/run/netns/") || path.hasPrefix("/run/netns/"),
          let found = process.namespace.machine.namespaces.first(where: {
            $0.name == name && $0 !== process.namespace.machine.root
          })
        else {
          try await process.printError("nsenter: cannot open \(path): No such file or directory\n")
          return 1
        }
        entered = found
      } else if parsed.has("n") {
        guard let text = parsed["t"] else {
          try await process.printError(
            "nsenter: neither filename nor target pid supplied for ns/net\n"
          )
          return 1
        }
        guard let pid = Int32(text) else {
          try await process.printError("nsenter: failed to parse pid: '\(text)'\n")
          return 1
        }
        guard let target = process.userland.process(pid) else {
          try await process.printError(
            "nsenter: cannot open /proc/\(pid)/ns/net: No such file or directory\n"
          )
          return 1
        }
        entered = target.namespace
      }
      if let entered { process.namespace = entered }
      return try await process.execute(parsed.operands.isEmpty ? ["sh"] : parsed.operands)
    }
  )

  private static let unshareOptions = OptionSpecification(
    "+nrmf",
    long: ["net=n", "mount=m", "fork=f", "map-root-user=r"],
    refused: "upiCUTcR:w:S:G:",
    refusedLong: [
      "uts", "pid", "ipc", "cgroup", "user", "time", "map-user:", "map-group:", "mount-proc::",
      "propagation:", "root:", "wd:", "setuid:", "setgid:", "kill-child::", "keep-caps",
      "map-current-user", "setgroups:",
    ]
  )

  static let unshare = Command(
    "unshare",
    check: { check in checkRest(check, unshareOptions) },
    run: { process, arguments async throws(ProcessExit) in
      let parsed = try await process.options(unshareOptions, arguments)
      if parsed.has("n") {
        let machine = process.namespace.machine
        var number = 1
        while machine.namespace(named: "unshare\(number)") != nil { number += 1 }
        process.namespace = machine.makeNamespace("unshare\(number)")
      }
      return try await process.execute(parsed.operands.isEmpty ? ["sh"] : parsed.operands)
    }
  )

  private static func checkRest(_ check: CommandCheck, _ options: OptionSpecification) {
    check.checkOptions(options)
    guard case .success(let parsed) = options.parse(check.texts),
      let first = parsed.operandIndices.first
    else { return }
    check.checkCommand(from: first)
  }
}
