import HopyardSimulator

/// Why the commands of a list do not go on.
enum ShellUnwind: Error {
  case `break`(Int)
  case `continue`(Int)
  case `return`(Int32)
  case exit(Int32)
  /// An error of expansion: what is left of the text is dropped.
  case discard(Int32)
  /// The process itself ends.
  case process(ProcessExit)
}

/// A shell: the state that lasts from command to command, and the verbs that run them.
public final class Shell {
  /// Which shell it plays: they differ in `echo` and in their messages.
  enum Flavour {
    case bash
    case dash
  }

  struct Variable {
    var value: String
    var isExported = false
    var isReadOnly = false
  }

  struct Options {
    var exitsOnError = false
    var isTracing = false
    var refusesUnset = false
    var pipeFails = false
    var noGlobbing = false
  }

  let process: Process
  let source: ShellSource
  let flavour: Flavour
  var variables: [String: Variable] = [:]
  var positional: [String] = []
  var name = "bash"
  var functions: [String: FunctionBody] = [:]
  var options = Options()
  /// The exit status of the last command, `$?`.
  var status: Int32 = 0
  /// The number of the last background process, `$!`.
  var lastBackground: Int32?
  /// Background processes that were not waited for.
  var jobs: [Process] = []
  var loopDepth = 0
  var functionDepth = 0
  var scopes: [[String: Variable?]] = []
  /// Above zero where a failing command is a condition and `set -e` does not look.
  var conditionDepth = 0
  var subshellDepth = 0
  /// The status of the last command substitution of the present command.
  var substitutionStatus: Int32?
  /// What `$$` is: the number of the outermost shell.
  var shellNumber: Int32
  /// How messages begin; `%` stands for the line.
  var messagePrefix = "bash: "

  /// Starting a command costs a millisecond; the executor's own step is part of it.
  static let startCost: Int64 = .milliseconds(1) - .microseconds(20)
  static let lengthLimit = 1 << 24

  init(process: Process, source: ShellSource, flavour: Flavour = .bash) {
    self.process = process
    self.source = source
    self.flavour = flavour
    shellNumber = process.pid
    for (name, value) in process.environment {
      variables[name] = Variable(value: value, isExported: true)
    }
  }

  /// The shell of a subshell: all the state, in a new process.
  func fork() throws(ShellUnwind) -> Shell {
    let child: Process
    do {
      child = try process.fork()
    } catch {
      throw .process(error)
    }
    let shell = Shell(process: child, source: source, flavour: flavour)
    shell.variables = variables
    shell.positional = positional
    shell.name = name
    shell.functions = functions
    shell.options = options
    shell.status = status
    shell.lastBackground = lastBackground
    shell.loopDepth = loopDepth
    shell.functionDepth = functionDepth
    shell.scopes = scopes
    shell.conditionDepth = conditionDepth
    shell.subshellDepth = subshellDepth + 1
    shell.shellNumber = shellNumber
    shell.messagePrefix = messagePrefix
    return shell
  }

  // MARK: Variables

  func value(of name: String) -> String? {
    if let variable = variables[name] { return variable.value }
    switch name {
    case "PWD": return process.directory
    case "HOME": return "/root"
    case "PATH": return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    case "IFS": return " \t\n"
    case "SECONDS": return String(process.simulation.now.nanoseconds / 1_000_000_000)
    case "RANDOM": return String(process.simulation.random.below(32_768))
    case "LINENO":
      return process.place.map { String($0.source.line(of: $0.offset)) }
    case "PPID": return process.parent.map { String($0.pid) } ?? "1"
    case "BASHPID": return String(process.pid)
    case "UID", "EUID": return String(process.uid)
    case "HOSTNAME": return process.hostname
    default: return nil
    }
  }

  func set(_ name: String, _ value: String) async throws(ShellUnwind) {
    if let existing = variables[name], existing.isReadOnly {
      try await complain("\(name): readonly variable")
      throw .discard(1)
    }
    if value.utf8.count > Self.lengthLimit {
      throw .process(.refused("a value of more than 16 MiB is not modelled"))
    }
    variables[name, default: Variable(value: "")].value = value
    if variables[name]?.isExported == true { process.environment[name] = value }
  }

  func export(_ name: String) {
    variables[name, default: Variable(value: "")].isExported = true
    process.environment[name] = variables[name]?.value ?? ""
  }

  func unset(_ name: String) {
    variables[name] = nil
    process.environment[name] = nil
  }

  // MARK: Messages

  /// A message as the shell writes it, about the command at a place.
  func message(_ text: String) -> String {
    let line = process.place.map { $0.source.line(of: $0.offset) } ?? 1
    return messagePrefix.replacing("%", with: String(line)) + text + "\n"
  }

  func complain(_ text: String) async throws(ShellUnwind) {
    do {
      try await process.printError(message(text))
    } catch {
      if case .failed = error { return }
      throw .process(error)
    }
  }
}
