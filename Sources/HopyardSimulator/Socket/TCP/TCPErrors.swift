import HopyardWire

/// ICMP errors about what connections sent (`tcp_v4_err`, RFC 5927).
extension TCPLayer {
  func deliverError(_ report: ICMPErrorReport) {
    guard report.transport.count >= 8 else { return }
    let bytes = report.transport
    let localPort = UInt16(bytes[0]) << 8 | UInt16(bytes[1])
    let remotePort = UInt16(bytes[2]) << 8 | UInt16(bytes[3])
    let sequence =
      UInt32(bytes[4]) << 24 | UInt32(bytes[5]) << 16 | UInt32(bytes[6]) << 8 | UInt32(bytes[7])
    guard
      let socket = find(
        local: report.source,
        localPort: localPort,
        remote: report.destination,
        remotePort: remotePort
      )
    else { return }
    if socket.state == .timeWait || socket.waitsInFinWait2 { return }
    // Only errors about something that is on its way are believed (RFC 5927 §4).
    guard
      !sequence.isBefore(socket.sendUnacknowledged) && !sequence.isAfter(socket.sendNext)
    else { return }
    if report.type == 5 {
      var options = socket.outputOptions(to: report.destination.rawValue, .tcp)
      options.source = 0
      if let offender = report.offender {
        stack.followRedirect(to: report.info, from: offender, for: options, on: report.device)
      }
      return
    }
    if report.type == 3 && report.code == 4 {
      // While the program's call runs this waits like segments.
      let sentAgo = socket.now &- socket.loss.lastTransmit
      if socket.work.isHeld {
        socket.work.smallerPath = report.info
      } else if sentAgo >= 0, sentAgo < ProgramWork.gap {
        let info = report.info
        stack.simulation.schedule(after: ProgramWork.gap) {
          if socket.state != .closed, socket.state != .timeWait { socket.takePathMTU(info) }
        }
      } else {
        socket.takePathMTU(report.info)
      }
      return
    }
    // Source quench means nothing any more (RFC 6633).
    guard let (error, _) = SocketError.converted(type: report.type, code: report.code) else {
      return
    }
    switch socket.state {
    case .synSent: socket.finish(error)
    case .synReceived:
      let isUnreachable = report.type == 3 && report.code <= 1
      if socket.listener == nil || isUnreachable || report.type == 11 || report.type == 12 {
        socket.finish(error)
      }
    default:
      if report.type == 3 && report.code <= 1 { socket.revertBackoff(sequence) }
      if socket.options.receivesErrors {
        socket.report(error)
      } else {
        // A connection that is made lives on; if it fails, this is why.
        socket.softError = error
      }
    }
  }
}

extension TCPSocket {
  /// A router told the MTU of its next link; 0 if it did not say.
  func takePathMTU(_ mtu: UInt32) {
    let output = outputOptions(to: remoteAddress.rawValue, .tcp)
    if mtu > 0 { stack.updatePathMTU(mtu, for: output) }
    pathMTUChanged()
  }

  /// The path takes less than it seemed: smaller segments from now on, and the lost ones again
  /// (`tcp_simple_retransmit`).
  func pathMTUChanged() {
    way = nil
    if options.pathMTUDiscovery == .dont { return }
    guard let way = try? findWay(), way.route.mtu < loss.pathMTU else { return }
    followPathMTU(way.route.mtu)
    guard queue.sentCount > 0 else { return }
    let segment = currentSegment()
    let before = loss.lostOut
    for index in 0..<queue.sentCount where Int(queue[index].count) > segment { markLost(index) }
    guard loss.lostOut > before else { return }
    if recoveryState != .loss {
      loss.highSequence = sendNext
      slowStartThreshold = currentThreshold
      loss.priorThreshold = 0
      loss.undoMarker = nil
      recoveryState = .loss
    }
    retransmitLost()
  }

  /// An error from the path shows that the timeout was not congestion (RFC 6069).
  func revertBackoff(_ sequence: UInt32) {
    guard sequence == sendUnacknowledged, retransmissions > 0, backoff > 0, queue.sentCount > 0,
      sendTimerKind == .retransmit
    else { return }
    backoff -= 1
    let due = queue[0].sentAt &+ timeoutNanoseconds
    setSendTimer(.retransmit, at: max(due, now &+ 1000))
  }
}
