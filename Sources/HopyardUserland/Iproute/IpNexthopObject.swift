import HopyardSimulator
import HopyardWire

extension IpObject {
  /// `ip nexthop`.
  static let nexthop = IpObject(
    "nexthop",
    check: { IpNexthop.check($0, $1) },
    run: { context, arguments throws(ProcessExit) in
      try IpNexthop.run(arguments, context)
    }
  )
}

/// The commands of `ip nexthop`.
enum IpNexthop {
  private static let refusedWords: Set<String> = [
    "encap", "vrf", "master", "bucket", "buckets", "resilient", "idle_timer", "unbalanced_timer",
  ]

  static func check(
    _ arguments: [String?],
    _ options: IpOptions
  ) -> (index: Int, message: String)? {
    for (index, argument) in arguments.enumerated() {
      guard let word = argument else { continue }
      if refusedWords.contains(word) {
        if index > 0, let before = arguments[index - 1], before == "dev" { continue }
        return (index, "`\(word)' of ip nexthop is not modelled")
      }
      if IproutePrefix.isIPv6(word) { return (index, "IPv6 is not modelled") }
    }
    return nil
  }

  static func run(_ arguments: [String], _ context: IpContext) throws(ProcessExit) -> Int32 {
    guard let word = arguments.first else { return try show([], context) }
    let rest = Array(arguments.dropFirst())
    func isWord(_ name: String) -> Bool { IpOptions.matches(word, name) }
    if isWord("add") { return try insert(rest, replaces: false, context) }
    if isWord("replace") { return try insert(rest, replaces: true, context) }
    if isWord("delete") { return try delete(rest, context) }
    if isWord("list") || isWord("show") || isWord("lst") { return try show(rest, context) }
    if isWord("get") { return try get(rest, context) }
    if isWord("flush") { return try flush(rest, context) }
    if isWord("help") {
      context.printError(NexthopText.usage)
      return 255
    }
    if isWord("bucket") { throw .refused("`bucket' of ip nexthop is not modelled") }
    context.printError("Command \"\(word)\" is unknown, try \"ip nexthop help\".\n")
    return 255
  }

  private static func insert(
    _ words: [String],
    replaces: Bool,
    _ context: IpContext
  ) throws(ProcessExit) -> Int32 {
    var request = NexthopRequest()
    try request.parse(words, context)
    do throws(RouteError) {
      try request.checkFamily()
      try context.namespace.insertNexthop(request.object, replaces: replaces)
      return 0
    } catch {
      return context.answer(error)
    }
  }

  private static func delete(
    _ words: [String],
    _ context: IpContext
  ) throws(ProcessExit) -> Int32 {
    var request = NexthopRequest()
    try request.parse(words, context)
    guard request.object.id != 0 else {
      return context.answer("Invalid argument", message: "Nexthop id is missing")
    }
    do throws(RouteError) {
      try context.namespace.deleteNexthop(request.object.id)
      return 0
    } catch {
      return context.answer(error)
    }
  }

  private static func get(
    _ words: [String],
    _ context: IpContext
  ) throws(ProcessExit) -> Int32 {
    var arguments = IpArguments(words, context)
    guard let word = arguments.next() else {
      context.printError(NexthopText.usage)
      return 255
    }
    guard word == "id" else {
      context.printError(NexthopText.usage)
      return 255
    }
    let id = try number(&arguments)
    return showOne(id, context)
  }

  private static func showOne(_ id: UInt32, _ context: IpContext) -> Int32 {
    guard let object = context.namespace.routes.nexthop(id) else {
      return context.answer("No such file or directory")
    }
    var output = context.makeOutput()
    NexthopText.print(object, context, &output)
    context.print(output)
    return 0
  }

  /// An id, or the end of the call.
  static func number(_ arguments: inout IpArguments) throws(ProcessExit) -> UInt32 {
    let text = try arguments.value()
    guard let value = IprouteNames.number(text) else {
      throw arguments.wrong(text, "invalid id value")
    }
    return UInt32(value)
  }

  private static func show(
    _ words: [String],
    _ context: IpContext
  ) throws(ProcessExit) -> Int32 {
    var filter = NexthopFilter()
    if let id = try filter.parse(words, context) { return showOne(id, context) }
    var output = context.makeOutput()
    for object in context.namespace.routes.nexthops where filter.accepts(object) {
      NexthopText.print(object, context, &output)
    }
    context.print(output)
    return 0
  }

  private static func flush(
    _ words: [String],
    _ context: IpContext
  ) throws(ProcessExit) -> Int32 {
    var filter = NexthopFilter()
    if let id = try filter.parse(words, context) {
      do throws(RouteError) {
        try context.namespace.deleteNexthop(id)
        return 0
      } catch {
        _ = context.answer(error)
        return 1
      }
    }
    let found = context.namespace.routes.nexthops.filter { filter.accepts($0) }
    // A group that went with its last member counts as well.
    for object in found { try? context.namespace.deleteNexthop(object.id) }
    if !found.isEmpty {
      context.print("Flushed \(found.count) nexthops\n")
    } else if context.options.statistics > 0 {
      context.print("Nothing to flush\n")
    }
    return 0
  }
}

/// Which nexthop objects are meant.
struct NexthopFilter {
  private var ifindex: Int32?
  private var onlyGroups = false
  private var routeProtocol: RouteProtocol?

  /// Reads arguments, or ends the call; gives an id if one object is meant.
  mutating func parse(
    _ words: [String],
    _ context: IpContext
  ) throws(ProcessExit) -> UInt32? {
    var arguments = IpArguments(words, context)
    var id: UInt32?
    while let word = arguments.next() {
      if word == "id" {
        id = try IpNexthop.number(&arguments)
      } else if word == "dev" {
        let name = try arguments.value()
        guard let device = context.namespace.devices[name] else {
          throw arguments.wrong(name, "Device does not exist\n")
        }
        ifindex = device.ifindex
      } else if word == "groups" {
        onlyGroups = true
      } else if IpOptions.matches(word, "protocol") {
        let text = try arguments.value()
        // Unlike elsewhere, only a number is taken.
        guard let value = IprouteNames.number(text, limit: 255) else {
          throw arguments.wrong(text, "invalid protocol value")
        }
        routeProtocol = RouteProtocol(rawValue: UInt8(value))
      } else if word == "fdb" {
        // The kernel does not look at it when it lists.
      } else if word == "help" {
        context.printError(NexthopText.usage)
        throw .status(255)
      } else {
        throw arguments.wrong(word, "")
      }
    }
    return id
  }

  func accepts(_ object: NexthopObject<UInt32>) -> Bool {
    if let ifindex, object.isGroup || object.isBlackhole || object.nexthop.ifindex != ifindex {
      return false
    }
    if onlyGroups, !object.isGroup { return false }
    if let routeProtocol, routeProtocol != object.protocol { return false }
    return true
  }
}
