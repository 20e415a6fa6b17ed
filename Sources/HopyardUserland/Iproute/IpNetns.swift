import HopyardSimulator

/// `ip netns`.
enum IpNetns {
  static let usage = """
    Usage:\tip netns list
    \tip netns add NAME
    \tip netns attach NAME PID
    \tip netns set NAME NETNSID
    \tip [-all] netns delete [NAME]
    \tip netns identify [PID]
    \tip netns pids NAME
    \tip [-all] netns exec [NAME] cmd ...
    \tip netns monitor
    \tip netns list-id [target-nsid POSITIVE-INT] [nsid POSITIVE-INT]
    NETNSID := auto | POSITIVE-INT

    """

  static func run(_ context: IpContext, _ words: [String]) async throws(ProcessExit) -> Int32 {
    guard let verb = words.first else { return list(context) }
    let rest = Array(words.dropFirst())
    func isVerb(_ full: String) -> Bool { IpOptions.matches(verb, full) }
    if verb == "list-id" { return listIdentifiers(context) }
    if isVerb("list") || isVerb("show") || isVerb("lst") { return list(context) }
    if isVerb("help") {
      context.printError(usage)
      return 255
    }
    if isVerb("add") { return try add(context, rest) }
    if isVerb("set") { return try set(context, rest) }
    if isVerb("delete") { return delete(context, rest) }
    if isVerb("identify") { return identify(context, rest) }
    if isVerb("pids") { return pids(context, rest) }
    if isVerb("exec") { return try await execute(context, rest) }
    if isVerb("monitor") { throw .refused("ip netns monitor is not modelled") }
    if isVerb("attach") { throw .refused("ip netns attach is not modelled") }
    context.printError("Command \"\(verb)\" is unknown, try \"ip netns help\".\n")
    return 255
  }

  /// Finds what is not modelled before anything runs.
  static func check(_ words: [String?], _ options: IpOptions) -> (index: Int, message: String)? {
    guard let first = words.first, let verb = first else { return nil }
    for name in ["monitor", "attach"] where IpOptions.matches(verb, name) && verb == name {
      return (0, "ip netns \(name) is not modelled")
    }
    return nil
  }

  /// The namespaces that have names, newest first, as the directory lists them.
  private static func named(_ context: IpContext) -> [NetworkNamespace] {
    let machine = context.namespace.machine
    return machine.namespaces.reversed().filter { $0 !== machine.root }
  }

  private static func isName(_ name: String) -> Bool {
    !name.isEmpty && name.utf8.count < 256 && !name.contains("/") && name != "." && name != ".."
  }

  // MARK: Verbs

  private static func list(_ context: IpContext) -> Int32 {
    var output = context.makeOutput()
    for namespace in named(context) {
      output.openObject()
      output.field("name", namespace.name, text: namespace.name)
      if let number = context.namespace.knownIdentifier(of: namespace) {
        output.field("id", .number(Int64(number)), text: " (id: \(number))")
      }
      output.text("\n")
      output.closeObject()
    }
    context.print(output)
    return 0
  }

  private static func listIdentifiers(_ context: IpContext) -> Int32 {
    let known = context.namespace.machine.namespaces.compactMap { other in
      context.namespace.knownIdentifier(of: other).map { (number: $0, namespace: other) }
    }
    var output = context.makeOutput()
    for entry in known.sorted(by: { $0.number < $1.number }) {
      output.openObject()
      output.field("nsid", .number(Int64(entry.number)), text: "nsid \(entry.number) ")
      if entry.namespace !== context.namespace.machine.root {
        output.field(
          "name",
          entry.namespace.name,
          text: "(iproute2 netns name: \(entry.namespace.name))"
        )
      }
      output.text("\n")
      output.closeObject()
    }
    context.print(output)
    return 0
  }

  private static func add(_ context: IpContext, _ words: [String]) throws(ProcessExit) -> Int32 {
    guard let name = words.first else {
      context.printError("No netns name specified\n")
      return 1
    }
    guard isName(name) else {
      context.printError("Invalid netns name \"\(name)\"\n")
      return 255
    }
    let machine = context.namespace.machine
    if machine.root.name == name {
      throw .refused("a namespace named `\(name)', as the first one is called, is not modelled")
    }
    guard machine.namespace(named: name) == nil else {
      context.printError("Cannot create namespace file \"/run/netns/\(name)\": File exists\n")
      return 1
    }
    _ = machine.makeNamespace(name)
    return 0
  }

  private static func delete(_ context: IpContext, _ words: [String]) -> Int32 {
    if context.options.isAll {
      for namespace in named(context) { remove(namespace, context) }
      return 0
    }
    guard let name = words.first else {
      context.printError("No netns name specified\n")
      return 1
    }
    guard isName(name) else {
      context.printError("Invalid netns name \"\(name)\"\n")
      return 255
    }
    guard let namespace = IpCommand.namespace(named: name, near: context.namespace) else {
      context.printError(
        "Cannot remove namespace file \"/run/netns/\(name)\": No such file or directory\n"
      )
      return 1
    }
    remove(namespace, context)
    return 0
  }

  private static func remove(_ namespace: NetworkNamespace, _ context: IpContext) {
    namespace.machine.remove(namespace)
  }

  private static func identify(_ context: IpContext, _ words: [String]) -> Int32 {
    var process = context.process
    if let text = words.first, text != "self" {
      guard let pid = Int32(text) else {
        context.printError("Specified string '\(text)' is not a pid\n")
        return 1
      }
      process = context.process?.userland.process(pid)
      guard process != nil else {
        context.printError("Cannot open network namespace: No such file or directory\n")
        return 1
      }
    }
    let namespace = process?.namespace
    let isNamed = namespace !== context.namespace.machine.root
    context.print((isNamed ? namespace?.name ?? "" : "") + "\n")
    return 0
  }

  private static func pids(_ context: IpContext, _ words: [String]) -> Int32 {
    guard let name = words.first else {
      context.printError("No netns name specified\n")
      return 1
    }
    guard let namespace = IpCommand.namespace(named: name, near: context.namespace) else {
      context.printError("Cannot open network namespace: No such file or directory\n")
      return 1
    }
    for process in context.process?.userland.running ?? []
    where process.namespace === namespace {
      context.print("\(process.pid)\n")
    }
    return 0
  }

  /// Gives a namespace the number by which this one shall know it.
  private static func set(_ context: IpContext, _ words: [String]) throws(ProcessExit) -> Int32 {
    guard let name = words.first else {
      context.printError("No netns name specified\n")
      return 1
    }
    guard words.count > 1 else {
      context.printError("No nsid specified\n")
      return 1
    }
    var number: Int?
    if words[1] != "auto" {
      guard let given = Int(words[1]), given >= 0, given <= Int32.max else {
        let reason =
          Int(words[1]) == nil ? "Invalid \"netnsid\" value" : "\"netnsid\" value should be >= 0"
        context.printError("Error: argument \"\(words[1])\" is wrong: \(reason)\n")
        return 255
      }
      number = given
    }
    guard let namespace = IpCommand.namespace(named: name, near: context.namespace) else {
      context.printError("Cannot open network namespace \"\(name)\": No such file or directory\n")
      return 1
    }
    guard context.namespace.knownIdentifier(of: namespace) == nil else {
      return context.answer("", message: "Peer netns already has a nsid assigned")
    }
    guard let number else {
      context.namespace.identifier(of: namespace)
      return 0
    }
    guard context.namespace.setIdentifier(number, of: namespace) else {
      return context.answer("", message: "The specified nsid is already used")
    }
    return 0
  }

  // MARK: Exec

  private static func execute(
    _ context: IpContext,
    _ words: [String]
  ) async throws(ProcessExit) -> Int32 {
    guard let process = context.process else { return 1 }
    if context.options.isAll {
      guard !words.isEmpty else {
        context.printError("No command specified\n")
        return 1
      }
      for namespace in named(context) {
        context.print("\nnetns: \(namespace.name)\n")
        try await IpCommand.flush(context)
        let child = try process.spawn(words) { enter(namespace, $0) }
        _ = try await process.wait(for: child)
      }
      return 0
    }
    guard let name = words.first else {
      context.printError("No netns name specified\n")
      return 1
    }
    let command = Array(words.dropFirst())
    guard !command.isEmpty else {
      context.printError("No command specified\n")
      return 1
    }
    guard let namespace = IpCommand.namespace(named: name, near: context.namespace) else {
      context.printError(
        "Cannot open network namespace \"\(name)\": No such file or directory\n"
      )
      return 255
    }
    enter(namespace, process)
    return try await process.execute(command)
  }

  /// Makes a process see a namespace, and its own files in `/etc`.
  private static func enter(_ namespace: NetworkNamespace, _ process: Process) {
    process.namespace = namespace
    process.etcDirectory = "/etc/netns/\(namespace.name)"
  }
}

extension IpObject {
  /// `ip netns`.
  static let netns = IpObject("netns", check: { IpNetns.check($0, $1) }) {
    context,
    words async throws(ProcessExit) in
    try await IpNetns.run(context, words)
  }
}
