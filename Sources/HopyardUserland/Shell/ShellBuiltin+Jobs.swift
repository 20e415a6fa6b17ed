/// Builtins that wait for processes and signal them.
extension ShellBuiltin {
  static func wait(_ shell: Shell, _ arguments: [String]) async throws(ShellUnwind) -> Int32 {
    if arguments.isEmpty {
      let jobs = shell.jobs
      shell.jobs = []
      for job in jobs { _ = try await shell.wait(for: job) }
      return 0
    }
    var status: Int32 = 0
    for argument in arguments {
      if argument.hasPrefix("-") {
        throw .process(.refused("`wait \(argument)' is not modelled"))
      }
      guard let job = job(shell, argument) else {
        if Int32(argument) != nil {
          try await shell.complain("wait: pid \(argument) is not a child of this shell")
        } else {
          try await shell.complain("wait: `\(argument)': not a pid or valid job spec")
        }
        status = 127
        continue
      }
      status = try await shell.wait(for: job)
    }
    return status
  }

  private static func job(_ shell: Shell, _ name: String) -> Process? {
    if name == "%%" || name == "%+" || name == "%" { return shell.jobs.last }
    if name == "%-" { return shell.jobs.dropLast().last }
    if name.hasPrefix("%") {
      guard let number = Int(name.dropFirst()), number >= 1, number <= shell.jobs.count else {
        return nil
      }
      return shell.jobs[number - 1]
    }
    guard let pid = Int32(name) else { return nil }
    return shell.jobs.last { $0.pid == pid }
  }

  static func kill(_ shell: Shell, _ arguments: [String]) async throws(ShellUnwind) -> Int32 {
    if let first = arguments.first,
      first.hasPrefix("%") || arguments.contains(where: { $0.hasPrefix("%") })
    {
      var resolved: [String] = []
      for argument in arguments {
        guard argument.hasPrefix("%") else {
          resolved.append(argument)
          continue
        }
        guard let job = job(shell, argument) else {
          try await shell.complain("kill: \(argument): no such job")
          return 1
        }
        resolved.append(String(job.pid))
      }
      return try await kill(shell, resolved)
    }
    let prefix = shell.message("kill: ").dropLast()
    return try await shell.guarded { process async throws(ProcessExit) in
      try await KillCommand.run(process, arguments, prefix: String(prefix))
    }
  }
}
