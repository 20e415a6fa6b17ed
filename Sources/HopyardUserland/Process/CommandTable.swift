/// A command: what `PATH` or the shell finds under its name.
public struct Command: Sendable {
  /// Runs the command, without its name among the arguments, and gives its exit status.
  public typealias Body = @Sendable (Process, [String]) async throws(ProcessExit) -> Int32

  /// The name by which the shell finds it.
  public let name: String
  /// Whether the shell itself has it, so that starting it costs no time.
  public var isBuiltin: Bool
  /// Looks at a use of the command before anything runs.
  public var check: @Sendable (CommandCheck) -> Void
  /// Runs it.
  public var run: Body

  /// Makes a command.
  public init(
    _ name: String,
    isBuiltin: Bool = false,
    check: @escaping @Sendable (CommandCheck) -> Void = { _ in },
    run: @escaping Body
  ) {
    self.name = name
    self.isBuiltin = isBuiltin
    self.check = check
    self.run = run
  }

  /// Makes a command whose uses are checked against its options.
  public init(
    _ name: String,
    isBuiltin: Bool = false,
    options: OptionSpecification,
    run: @escaping Body
  ) {
    self.init(name, isBuiltin: isBuiltin, check: { $0.checkOptions(options) }, run: run)
  }
}

/// The commands by name.
public final class CommandTable {
  private var commands: [String: Command] = [:]

  /// Makes an empty table.
  public init() {}

  /// Adds a command, in place of one of the same name.
  public func add(_ command: Command) { commands[command.name] = command }

  /// Adds commands.
  public func add(_ commands: [Command]) {
    for command in commands { add(command) }
  }

  /// Lets another name run a command.
  public func alias(_ name: String, to existing: String) {
    guard let command = commands[existing] else { return }
    commands[name] = Command(
      name,
      isBuiltin: command.isBuiltin,
      check: command.check,
      run: command.run
    )
  }

  /// The command of a name.
  public subscript(_ name: String) -> Command? { commands[name] }

  /// The names of all commands, sorted.
  public var names: [String] { commands.keys.sorted() }
}

/// An argument of a command that has not run yet.
public struct CommandArgument {
  /// Its text; nil when that shows only when it runs.
  public var text: String?
  /// Whether it is exactly one argument, whatever it holds.
  public var isOne: Bool
  /// The bytes and the places they stand at.
  var source: ShellText
}

/// One use of a command, looked at before anything runs.
public final class CommandCheck {
  /// The table in which commands that run commands look others up.
  public let table: CommandTable
  /// The command's name.
  public let name: String
  /// Its arguments, without the name.
  public let arguments: [CommandArgument]
  let source: ShellSource
  let offset: Int
  var depth: Int
  /// Functions and variables that make a name known.
  let functions: Set<String>
  private let reported: (Problem) -> Void

  init(
    table: CommandTable,
    name: String,
    arguments: [CommandArgument],
    source: ShellSource,
    offset: Int,
    depth: Int,
    functions: Set<String>,
    report: @escaping (Problem) -> Void
  ) {
    self.table = table
    self.name = name
    self.arguments = arguments
    self.source = source
    self.offset = offset
    self.depth = depth
    self.functions = functions
    reported = report
  }

  /// The texts of the arguments; nil where they show only when they run.
  public var texts: [String?] { arguments.map(\.text) }

  /// Says that an argument, or the command itself (nil), is not modelled.
  ///
  /// `at` counts bytes in it.
  public func report(_ index: Int?, at byte: Int = 0, _ message: String) {
    guard let index, arguments.indices.contains(index) else {
      reported(source.problem(at: offset, message))
      return
    }
    let offsets = arguments[index].source.offsets
    let place = offsets.isEmpty ? offset : offsets[min(byte, offsets.count - 1)]
    reported(source.problem(at: place, message))
  }

  /// Says where an option is used that the real command has and the model lacks.
  public func checkOptions(_ options: OptionSpecification) {
    if case .failure(.refused(let index, let message)) = options.parse(texts) {
      report(index, message)
    }
  }

  /// Checks the arguments from `index` on as a command of their own, as `sudo` runs it.
  public func checkCommand(from index: Int) {
    guard arguments.indices.contains(index) else { return }
    guard let name = arguments[index].text else { return }
    check(name, Array(arguments[(index + 1)...]), at: arguments[index].source.offsets.first)
  }

  private func check(_ name: String, _ arguments: [CommandArgument], at place: Int?) {
    guard depth < 20 else { return }
    let base = name.split(separator: "/").last.map(String.init) ?? name
    let place = place ?? offset
    guard let command = table[name.contains("/") ? base : name] else {
      reported(source.problem(at: place, "the command `\(name)' is not modelled"))
      return
    }
    command.check(
      CommandCheck(
        table: table,
        name: base,
        arguments: arguments,
        source: source,
        offset: place,
        depth: depth + 1,
        functions: functions,
        report: reported
      )
    )
  }

  /// Checks an argument as shell text, as `sh -c` runs it.
  public func checkScript(_ index: Int) {
    guard arguments.indices.contains(index), arguments[index].text != nil, depth < 20 else {
      return
    }
    checkScript(arguments[index].source)
  }

  /// Checks text, of which each byte stands somewhere in the file, as a shell script.
  func checkScript(_ text: ShellText) {
    do {
      let list = try ShellParser.parse(text)
      let checker = ShellChecker(source: source, table: table, depth: depth + 1)
      checker.functions = functions
      checker.check(list)
      checker.problems.forEach(reported)
    } catch {
      reported(source.problem(at: error.offset, error.message))
    }
  }
}
