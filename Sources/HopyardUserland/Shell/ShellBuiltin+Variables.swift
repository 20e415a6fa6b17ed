/// Builtins that mark variables.
extension ShellBuiltin {
  static func declare(
    _ shell: Shell,
    _ arguments: [String],
    _ mark: (Shell, String) -> Void
  ) async throws(ShellUnwind) -> Int32 {
    var status: Int32 = 0
    for argument in arguments where !argument.hasPrefix("-") {
      let name = String(argument.prefix { $0 != "=" })
      guard let first = name.utf8.first, ShellParser.isNameStart(first),
        name.utf8.allSatisfy(ShellParser.isName)
      else {
        try await shell.complain(
          "\(shell.process.name): `\(argument)': not a valid identifier"
        )
        status = 1
        continue
      }
      if argument.count > name.count {
        try await shell.set(name, String(argument.dropFirst(name.count + 1)))
      }
      if arguments.first == "-n" {
        shell.variables[name]?.isExported = false
        shell.process.environment[name] = nil
      } else {
        mark(shell, name)
      }
    }
    return status
  }
}
