import HopyardSimulator
import HopyardWire

/// A nexthop object as the arguments of `ip nexthop add` describe it.
struct NexthopRequest {
  var object = NexthopObject<UInt32>(id: 0)
  private var hasGroup = false
  private var hasDevice = false

  /// Reads arguments, or ends the call as ip does.
  mutating func parse(_ words: [String], _ context: IpContext) throws(ProcessExit) {
    var arguments = IpArguments(words, context)
    while let word = arguments.next() {
      switch word {
      case "id": object.id = try IpNexthop.number(&arguments)
      case "dev":
        let name = try arguments.value()
        guard let device = context.namespace.devices[name] else {
          throw arguments.wrong(name, "Device does not exist\n")
        }
        object.nexthop.ifindex = device.ifindex
        hasDevice = true
      case "via":
        let isInet = arguments.current == "inet"
        if isInet { _ = arguments.next() }
        object.nexthop.gateway = try arguments.address(isInet: isInet).rawValue
      case "blackhole": object.isBlackhole = true
      case "fdb": object.isForwardingDatabase = true
      case "onlink": object.nexthop.flags.insert(.onlink)
      case "group": try readGroup(&arguments)
      case "type":
        let text = try arguments.value()
        guard text == "mpath" else {
          if text == "resilient" { throw .refused("resilient groups are not modelled") }
          throw arguments.wrong(text, "\"type\" value is invalid\n")
        }
      case "encap": throw .refused("`encap' of ip nexthop is not modelled")
      case "help":
        context.printError(NexthopText.usage)
        throw .status(255)
      default:
        guard IpOptions.matches(word, "protocol") else { throw arguments.wrong(word, "") }
        let text = try arguments.value()
        guard let value = IprouteNames.routeProtocol(text) else {
          throw arguments.wrong(text, "\"protocol\" value is invalid\n")
        }
        object.protocol = value
      }
    }
  }

  private mutating func readGroup(_ arguments: inout IpArguments) throws(ProcessExit) {
    let text = try arguments.value()
    hasGroup = true
    for part in text.split(separator: "/", omittingEmptySubsequences: false) {
      let halves = part.split(separator: ",", maxSplits: 1, omittingEmptySubsequences: false)
      guard let first = halves.first, let id = IprouteNames.number(String(first)) else {
        throw arguments.wrong(text, "\"group\" value is invalid\n")
      }
      var weight = 1
      if halves.count > 1 {
        let text = String(halves[1])
        guard let given = IprouteNames.number(text), (1...256).contains(given) else {
          throw arguments.wrong(text, "\"weight\" is invalid\n")
        }
        weight = Int(given)
      }
      object.members.append(.init(id: UInt32(id), weight: weight))
    }
  }

  /// What the kernel says of things that do not go together.
  func checkFamily() throws(RouteError) {
    if hasGroup {
      if hasDevice || object.nexthop.gateway != nil {
        throw RouteError(.invalidArgument, "Invalid family for group")
      }
      return
    }
    if object.isBlackhole {
      if hasDevice || object.nexthop.gateway != nil || object.isForwardingDatabase {
        throw RouteError(
          .invalidArgument,
          "Blackhole attribute can not be used with gateway, oif, encap or fdb"
        )
      }
      return
    }
    if object.isForwardingDatabase {
      if hasDevice {
        throw RouteError(
          .invalidArgument,
          "Fdb attribute can not be used with encap, oif or blackhole"
        )
      }
      return
    }
    if !hasDevice, object.nexthop.gateway == nil {
      throw RouteError(.invalidArgument, "Invalid address family")
    }
    if !hasDevice {
      throw RouteError(
        .invalidArgument,
        "Device attribute required for non-blackhole and non-fdb nexthops"
      )
    }
  }
}
