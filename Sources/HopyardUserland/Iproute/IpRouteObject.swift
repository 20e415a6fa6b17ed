import HopyardSimulator
import HopyardWire

extension IpObject {
  /// `ip route`.
  static let route = IpObject(
    "route",
    check: { IpRoute.check($0, $1) },
    run: { context, arguments throws(ProcessExit) in
      try IpRoute.run(arguments, context)
    }
  )
}

/// The commands of `ip route`.
enum IpRoute {
  /// The words, each with its command, in the order in which abbreviations are tried.
  private static let commands:
    [(String, @Sendable ([String], IpContext) throws(ProcessExit) -> Int32)] =
      [
        ("list", show), ("show", show), ("lst", show), ("get", get),
        ("add", { words, context throws(ProcessExit) in try insert(words, .create, context) }),
        ("change", { words, context throws(ProcessExit) in try insert(words, .change, context) }),
        ("chg", { words, context throws(ProcessExit) in try insert(words, .change, context) }),
        ("replace", { words, context throws(ProcessExit) in try insert(words, .replace, context) }),
        ("prepend", { words, context throws(ProcessExit) in try insert(words, .prepend, context) }),
        ("append", { words, context throws(ProcessExit) in try insert(words, .append, context) }),
        ("test", { words, context throws(ProcessExit) in try insert(words, .test, context) }),
        ("delete", delete), ("flush", flush),
      ]

  // MARK: Before anything runs

  /// Words that the real ip knows and the model lacks.
  private static let refusedWords: Set<String> = [
    "encap", "vrf", "as", "ttl-propagate", "pref", "inet6", "save", "restore", "showdump",
    "connected", "notify",
  ]

  static func check(
    _ arguments: [String?],
    _ options: IpOptions
  ) -> (index: Int, message: String)? {
    if options.family == .mpls || options.family == .bridge || options.family == .packet {
      return (0, "routes of this family are not modelled")
    }
    for (index, argument) in arguments.enumerated() {
      guard let word = argument else { continue }
      if refusedWords.contains(word) {
        // The value of a keyword may be any word, such as a device's name.
        if index > 0, let before = arguments[index - 1], ["dev", "oif", "iif"].contains(before) {
          continue
        }
        return (index, "`\(word)' of ip route is not modelled")
      }
      if IproutePrefix.isIPv6(word) { return (index, "IPv6 is not modelled") }
    }
    if options.family == .inet6, let first = arguments.first, let word = first,
      !["list", "show", "lst"].contains(where: { IpOptions.matches(word, $0) })
    {
      return (0, "IPv6 is not modelled")
    }
    return nil
  }

  // MARK: Running

  static func run(_ arguments: [String], _ context: IpContext) throws(ProcessExit) -> Int32 {
    guard let word = arguments.first else { return try show([], context) }
    if word == "help" {
      context.printError(IpRouteText.usage)
      return 255
    }
    guard let command = commands.first(where: { IpOptions.matches(word, $0.0) }) else {
      context.printError("Command \"\(word)\" is unknown, try \"ip route help\".\n")
      return 255
    }
    return try command.1(Array(arguments.dropFirst()), context)
  }

  private static func insert(
    _ words: [String],
    _ mode: RouteInsertion,
    _ context: IpContext
  ) throws(ProcessExit) -> Int32 {
    let route = try RouteRequest.parse(words, .insert(mode), context)
    if route.tos & 3 != 0 {
      return context.answer(
        RouteError(.invalidArgument, "Invalid dsfield (tos): ECN bits must be 0")
      )
    }
    do throws(RouteError) {
      try context.namespace.insertRoute(route, mode: mode)
      return 0
    } catch {
      return context.answer(error)
    }
  }

  private static func delete(
    _ words: [String],
    _ context: IpContext
  ) throws(ProcessExit) -> Int32 {
    let template = try RouteRequest.parse(words, .delete, context)
    do throws(RouteError) {
      try context.namespace.deleteRoute(template, namingAll: words.contains("nexthop"))
      return 0
    } catch {
      return context.answer(error)
    }
  }

  private static func show(
    _ words: [String],
    _ context: IpContext
  ) throws(ProcessExit) -> Int32 {
    let filter = try RouteFilter.parse(words, context)
    var output = context.makeOutput()
    var text = RouteText(context)
    text.omissions = filter.omissions
    let tables = context.namespace.routes
    if filter.isCached, context.options.family != .inet6 {
      for path in context.namespace.learnedPaths where filter.accepts(path) {
        text.print(path, to: &output)
      }
      context.print(output)
      return 0
    }
    if context.options.family == .inet6 {
      context.print(output)
      return 0
    }
    if let table = filter.table, table != RouteTable.main, !tables.hasTable(table) {
      context.print(output)
      context.printError("Error: ipv4: FIB table does not exist.\nDump terminated\n")
      return 2
    }
    for route in routes(filter, context) { text.print(route, to: &output) }
    context.print(output)
    return 0
  }

  private static func routes(_ filter: RouteFilter, _ context: IpContext) -> [Route<UInt32>] {
    let tables = context.namespace.routes
    let all = filter.table.map { tables.routes(inTable: $0) } ?? tables.allRoutes
    return all.filter { filter.accepts($0) }
  }

  private static func flush(
    _ words: [String],
    _ context: IpContext
  ) throws(ProcessExit) -> Int32 {
    guard !words.isEmpty else {
      context.printError("\"ip route flush\" requires arguments.\n")
      return 1
    }
    let filter = try RouteFilter.parse(words, context)
    let statistics = context.options.statistics
    if filter.isCached {
      context.namespace.forgetPaths()
      if statistics > 0 { context.print("*** IPv4 routing cache is flushed.\n") }
      return 0
    }
    let tables = context.namespace.routes
    if let table = filter.table, table != RouteTable.main, !tables.hasTable(table) {
      context.printError("Error: ipv4: FIB table does not exist.\nFlush terminated\n")
      return 2
    }
    let found = routes(filter, context)
    if statistics > 1 {
      var output = context.makeOutput()
      var text = RouteText(context)
      text.omissions = filter.omissions
      for route in found { text.print(route, to: &output) }
      context.print(output)
    }
    for route in found { try? context.namespace.deleteRoute(route) }
    if statistics > 0 {
      context.print(
        found.isEmpty
          ? "Nothing to flush.\n"
          : "\n*** Round 1, deleting \(found.count) entries ***\n"
            + "*** Flush is complete after 1 round ***\n"
      )
    }
    return 0
  }
}
