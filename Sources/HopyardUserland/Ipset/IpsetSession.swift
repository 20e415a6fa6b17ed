import HopyardSimulator
import HopyardWire

/// What one run of ipset(8) does, its options and what it has written.
final class IpsetSession {
  /// A command of ipset.
  enum Operation: CaseIterable {
    case create, add, delete, test, destroy, list, save, restore, flush, rename, swap, help
    case version, quit

    /// The words for it; a beginning of one is enough.
    var names: [String] {
      switch self {
      case .create: ["create", "new", "-N"]
      case .add: ["add", "-A"]
      case .delete: ["del", "-D"]
      case .test: ["test", "-T"]
      case .destroy: ["destroy", "x", "-X"]
      case .list: ["list", "-L"]
      case .save: ["save", "-S"]
      case .restore: ["restore", "-R"]
      case .flush: ["flush", "-F"]
      case .rename: ["rename", "e", "-E"]
      case .swap: ["swap", "w", "-W"]
      case .help: ["help", "-h", "-H"]
      case .version: ["version", "-v", "-V"]
      case .quit: ["quit"]
      }
    }

    /// How many names must follow.
    var mandatoryCount: Int {
      switch self {
      case .create, .add, .delete, .test, .rename, .swap: 2
      default: 0
      }
    }

    /// Whether a name may follow.
    var takesName: Bool {
      switch self {
      case .restore, .version, .quit: false
      default: true
      }
    }

    static func matching(_ word: String) -> Operation? {
      let text = word.hasPrefix("--") ? String(word.dropFirst(2)) : word
      guard !text.isEmpty, text != "-" else { return nil }
      return allCases.first { $0.names.contains { $0.hasPrefix(text) } }
    }
  }

  /// An entry of a restored file that is not carried out yet.
  private struct Pending {
    var operation: SetOperation
    var name: String
    var request: SetRequest
    var exist: Bool
    var line: Int
  }

  let netfilter: Netfilter
  let resolve: (String) -> IPv4Address?
  /// What goes to standard output.
  var output = ""
  /// What goes to standard error.
  var errors = ""
  private(set) var isQuiet = false
  private var exist = false
  private var isSorted = false
  private var listsNames = false
  private var isTerse = false
  private var style: IpsetText.Style?
  /// The file of `-file`.
  private(set) var file: String?
  /// Whether commands are read from a terminal.
  var isInteractive = false
  /// The line of a restored file; 0 outside one.
  private(set) var line = 0
  private var pending: [Pending] = []

  init(_ netfilter: Netfilter, resolve: @escaping (String) -> IPv4Address?) {
    self.netfilter = netfilter
    self.resolve = resolve
  }

  private var sets: IPSets { netfilter.sets }

  private func references(_ name: String) -> Int { netfilter.references(toSet: name) }

  // MARK: Words

  private static let options: [(short: String, long: String, hasValue: Bool)] = [
    ("-o", "-output", true), ("-s", "-sorted", false), ("-q", "-quiet", false),
    ("-r", "-resolve", false), ("-!", "-exist", false), ("-n", "-name", false),
    ("-t", "-terse", false), ("-f", "-file", true),
  ]

  /// Takes the options out that may stand anywhere.
  private func takeOptions(_ arguments: [String]) throws(IpsetFailure) -> [String] {
    var words = arguments
    for option in Self.options {
      var place = 0
      while place < words.count {
        let word = words[place].hasPrefix("--") ? String(words[place].dropFirst()) : words[place]
        guard word == option.short || word == option.long else {
          place += 1
          continue
        }
        words.remove(at: place)
        var value = ""
        if option.hasValue {
          guard place < words.count else {
            throw .parameter("Missing mandatory argument to option \(option.short)")
          }
          value = words.remove(at: place)
        }
        try set(option.short, value)
      }
    }
    return words
  }

  private func set(_ option: String, _ value: String) throws(IpsetFailure) {
    switch option {
    case "-o":
      switch value {
      case "plain": style = .plain
      case "save": style = .save
      case "xml": style = .xml
      default: throw .syntax("unknown output mode '\(value)'")
      }
    case "-s": isSorted = true
    case "-q": isQuiet = true
    case "-r": throw .refused("-resolve of ipset is not modelled")
    case "-!": exist = true
    case "-n": listsNames = true
    case "-t": isTerse = true
    default: file = value
    }
  }

  /// What remains to be done by the caller, who can read files.
  enum Continuation {
    case done
    case restore
    case interactive
  }

  /// Carries out one command line.
  func run(_ arguments: [String]) throws(IpsetFailure) -> Continuation {
    var words = try takeOptions(arguments)
    guard let first = words.first, let operation = Operation.matching(first) else {
      if isInteractive {
        output += "No command specified\n"
        return .done
      }
      guard let first = words.first else { throw .parameter("No command specified.") }
      if first == "-" { return .interactive }
      throw .parameter("No command specified: unknown argument \(first)")
    }
    let command = operation.names[0]
    if line != 0, [.restore, .version, .help].contains(operation) {
      throw .parameter("Command `\(command)' is invalid in restore mode.")
    }
    if isInteractive, operation == .restore {
      output += "Restore command is not supported in interactive mode\n"
      return .done
    }
    words.removeFirst()
    if operation.mandatoryCount > 0 {
      guard !words.isEmpty else {
        throw .parameter("Missing mandatory argument to command \(command)")
      }
      guard words.count > 1 else {
        throw .parameter("Missing second mandatory argument to command \(command)")
      }
    }
    let names = Array(words.prefix(max(operation.mandatoryCount, operation.takesName ? 1 : 0)))
    let rest = Array(words.dropFirst(names.count))
    if ![.create, .add, .delete, .test, .help, .version, .quit].contains(operation),
      let extra = rest.first
    {
      throw .parameter("Unknown argument \(extra)")
    }
    return try run(operation, names, rest)
  }

  private func run(
    _ operation: Operation,
    _ names: [String],
    _ rest: [String]
  ) throws(IpsetFailure) -> Continuation {
    switch operation {
    case .restore: return .restore
    case .quit: throw .silent(0)
    case .version:
      output += "ipset v\(Self.version), protocol version: 7\n"
      return .done
    case .help:
      if !names.isEmpty { throw .refused("the help of ipset for one type is not modelled") }
      output += IpsetUsage.text
      return .done
    case .add: return try entry(.add, names, rest)
    case .delete: return try entry(.delete, names, rest)
    case .test: return try entry(.test, names, rest)
    default: break
    }
    for name in names { _ = try IpsetElementParser.name(name) }
    try commit()
    if operation == .create {
      try create(names[0], names[1], rest)
      return .done
    }
    do throws(SetError) {
      switch operation {
      case .destroy:
        if let name = names.first {
          try sets.destroy(name, references: references)
        } else {
          try sets.destroyAll(references: references)
        }
      case .flush: try sets.flush(names.first)
      case .rename: try sets.rename(names[0], to: names[1], references: references)
      case .swap: try sets.swap(names[0], names[1])
      default: try list(names.first, operation)
      }
      return .done
    } catch {
      throw IpsetFailure(error)
    }
  }

  /// The version that is modelled.
  static let version = "7.17"

  // MARK: Sets

  /// Reads a type and its options.
  private func create(_ name: String, _ typeName: String, _ rest: [String]) throws(IpsetFailure) {
    guard typeName.utf8.count <= IPSets.nameLimit else {
      throw .syntax("typename '\(typeName)' is longer than \(IPSets.nameLimit) characters")
    }
    guard let type = SetType.named(typeName) else {
      throw .syntax("typename '\(typeName)' is unknown")
    }
    var reader = IpsetOptionReader(rest)
    let options = try reader.creation(type, resolve: resolve)
    if !isQuiet {
      for (name, value) in reader.ignored {
        errors +=
          "Warning: Option '--\(name) \(value)' is ignored. Please upgrade your syntax.\n"
      }
    }
    do throws(SetError) {
      try sets.create(name, type, options, exist: exist)
    } catch {
      throw IpsetFailure(error)
    }
  }

  private func list(_ name: String?, _ operation: Operation) throws(SetError) {
    let chosen: [IPSet]
    if let name {
      guard let set = sets[name] else { throw .noSuchSet }
      chosen = [set]
    } else {
      chosen = sets.all
    }
    let style = style ?? (operation == .save ? .save : .plain)
    var text = style == .xml ? "<ipsets>\n" : ""
    for (place, set) in chosen.enumerated() {
      if listsNames, style == .xml {
        text += "<ipset name=\"\(set.name)\"/>\n"
      } else if listsNames, operation == .list, style == .plain {
        text += set.name + "\n"
      } else {
        if style == .plain, place > 0 { text += "\n" }
        text += IpsetText.set(
          set,
          style,
          isTerse: isTerse && operation == .list,
          isSorted: isSorted,
          references: references(set.name)
        )
      }
    }
    if style == .xml { text += "</ipsets>\n" }
    output += text
  }

  // MARK: Entries

  private func entry(
    _ operation: SetOperation,
    _ names: [String],
    _ rest: [String]
  ) throws(IpsetFailure) -> Continuation {
    let name = try IpsetElementParser.name(names[0])
    guard let set = sets[name] else {
      try commit()
      throw IpsetFailure(.noSuchSet)
    }
    var parser = IpsetElementParser(
      set.type,
      set.options.family == .none ? .ipv4 : set.options.family,
      operation,
      resolve: resolve
    )
    try parser.parse(names[1])
    var request = parser.request
    var reader = IpsetOptionReader(rest)
    try reader.information(set.type, operation, &request)
    if line != 0, operation != .test {
      // Entries for one set go to the kernel together.
      if let last = pending.last, last.name != name || last.operation != operation {
        try commit()
      }
      pending.append(
        Pending(operation: operation, name: name, request: request, exist: exist, line: line)
      )
      if pending.count >= 1024 { try commit() }
      return .done
    }
    try commit()
    let isThere: Bool
    do throws(SetError) {
      isThere = try sets.perform(operation, in: name, request, exist: exist)
    } catch {
      throw IpsetFailure(error)
    }
    guard operation == .test else { return .done }
    let text = IpsetText.element(
      request,
      set.type,
      set.options.family == .none ? .ipv4 : set.options.family
    )
    if !isQuiet {
      errors +=
        isThere ? "Warning: \(text) is in set \(name).\n" : "\(text) is NOT in set \(name).\n"
    }
    if !isThere { throw .silent(1) }
    return .done
  }

  /// Carries out what was read of a restored file.
  func commit() throws(IpsetFailure) {
    let all = pending
    pending = []
    for entry in all {
      do throws(SetError) {
        _ = try sets.perform(entry.operation, in: entry.name, entry.request, exist: entry.exist)
      } catch {
        line = entry.line
        throw IpsetFailure(error)
      }
    }
  }

  // MARK: Files

  /// Carries out the lines of a saved file.
  func restore(_ text: String) throws(IpsetFailure) {
    for text in text.split(separator: "\n", omittingEmptySubsequences: false) {
      line += 1
      let trimmed = text.drop { $0.isWhitespace }
      if trimmed.isEmpty || trimmed.hasPrefix("#") { continue }
      if trimmed == "COMMIT" {
        try commit()
        continue
      }
      _ = try run(try Self.words(trimmed))
    }
    try commit()
  }

  /// The words of a line; quotation marks hold blanks.
  static func words(_ line: Substring) throws(IpsetFailure) -> [String] {
    var words: [String] = []
    var word = ""
    var isQuoted = false
    for character in line {
      switch character {
      case "\"": isQuoted.toggle()
      case " ", "\t", "\r", "\n":
        if isQuoted {
          word.append(character)
        } else if !word.isEmpty {
          words.append(word)
          word = ""
        }
      default: word.append(character)
      }
    }
    if isQuoted { throw .parameter("Missing close quote!") }
    if !word.isEmpty { words.append(word) }
    return words
  }

  /// Writes what a failure says, and gives the exit status.
  func report(_ failure: IpsetFailure) -> Int32 {
    let tells = isInteractive || !isQuiet
    switch failure {
    case .silent(let status): return status
    case .parameter(let text):
      if tells {
        errors += "ipset v\(Self.version): \(text)\nTry `ipset help' for more information.\n"
      }
      return 2
    case .other(let text):
      if tells { errors += "ipset v\(Self.version): \(text)\n" }
      return 1
    case .session(let text):
      let place = line == 0 ? "" : "Error in line \(line): "
      if tells { errors += "ipset v\(Self.version): \(place)\(text)\n" }
      return 1
    case .refused: return 2
    }
  }
}
