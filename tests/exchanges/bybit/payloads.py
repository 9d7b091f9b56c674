"""Bybit's payloads as its sheet shows them, and rows made from them."""

from __future__ import annotations

import json
from collections.abc import Mapping

ORDER = json.loads(
    """
{"orderId":"9aac161b-8ed6-450d-9cab-c5cc67c21784","orderLinkId":"c1-a83f-tp1-0",
 "parentOrderLinkId":"","symbol":"BTCUSDT","side":"Sell","orderType":"Limit","price":"71500.00",
 "qty":"0.010","timeInForce":"GTC","orderStatus":"New","positionIdx":0,"reduceOnly":true,
 "closeOnTrigger":false,"createType":"CreateByUser","cancelType":"UNKNOWN",
 "rejectReason":"EC_NoError","stopOrderType":"","triggerPrice":"","triggerDirection":0,
 "triggerBy":"","avgPrice":"","leavesQty":"0.010","leavesValue":"715","cumExecQty":"0",
 "cumExecValue":"0","cumExecFee":"0","cumFeeDetail":{},"takeProfit":"","stopLoss":"",
 "tpslMode":"","tpTriggerBy":"","slTriggerBy":"","tpLimitPrice":"0","slLimitPrice":"0",
 "lastPriceOnCreated":"70010.1","isLeverage":"","orderIv":"","placeType":"","marketUnit":"",
 "blockTradeId":"","smpType":"None","smpGroup":0,"smpOrderId":"",
 "createdTime":"1795219083460","updatedTime":"1795219083462"}"""
)
EXECUTION = json.loads(
    """
{"symbol":"BTCUSDT","orderId":"9aac","orderLinkId":"c1-a83f-tp1-0","side":"Sell",
 "orderPrice":"71500.00","orderQty":"0.010","leavesQty":"0.004","createType":"CreateByUser",
 "orderType":"Limit","stopOrderType":"UNKNOWN","execId":"e0cbe81d","execPrice":"71500.00",
 "execQty":"0.006","execValue":"429","execFee":"0.0858","feeRate":"0.0002","feeCurrency":"USDT",
 "execType":"Trade","execTime":"1795219090123","isMaker":true,"markPrice":"71490.11",
 "indexPrice":"","closedSize":"0.006","seq":197812367200,"extraFees":"","tradeIv":"","markIv":"",
 "underlyingPrice":"","blockTradeId":""}"""
)
POSITION = json.loads(
    """
{"positionIdx":0,"symbol":"BTCUSDT","side":"Buy","size":"0.040","avgPrice":"70001.25",
 "positionValue":"2800.05","leverage":"10","markPrice":"70010.00","liqPrice":"63841.20",
 "breakEvenPrice":"70078.3","takeProfit":"","stopLoss":"66000","trailingStop":"0",
 "unrealisedPnl":"0.35","curRealisedPnl":"-1.5400275","cumRealisedPnl":"-33.42",
 "positionIM":"281.5","positionMM":"15.4","positionStatus":"Normal","adlRankIndicator":2,
 "riskId":1,"riskLimitValue":"2000000","autoAddMargin":0,"isReduceOnly":false,"tradeMode":0,
 "tpslMode":"Full","positionBalance":"0","bustPrice":"","createdTime":"1719186463996",
 "updatedTime":"1795219090125","openTime":1795219000000,"seq":197812367200}"""
)
INSTRUMENT = json.loads(
    """
{"symbol":"BTCUSDT","contractType":"LinearPerpetual","status":"Trading","baseCoin":"BTC",
 "quoteCoin":"USDT","settleCoin":"USDT","priceScale":"2","launchTime":"1585526400000",
 "deliveryTime":"0","fundingInterval":480,"unifiedMarginTrade":true,"isPreListing":false,
 "preListingInfo":null,
 "leverageFilter":{"minLeverage":"1","maxLeverage":"100.00","leverageStep":"0.01"},
 "priceFilter":{"minPrice":"0.10","maxPrice":"1999999.80","tickSize":"0.10"},
 "lotSizeFilter":{"minOrderQty":"0.001","maxOrderQty":"1190.000","maxMktOrderQty":"500.000",
 "postOnlyMaxOrderQty":"1190.000","qtyStep":"0.001","minNotionalValue":"5"},
 "copyTrading":"both","symbolType":"","symbolId":5}"""
)
TICKER = json.loads(
    """
{"symbol":"BTCUSDT","lastPrice":"70010.10","indexPrice":"70021.55","markPrice":"70012.30",
 "bid1Price":"70010.00","bid1Size":"3.214","ask1Price":"70010.10","ask1Size":"1.870",
 "fundingRate":"0.0001","nextFundingTime":"1795219200000","fundingIntervalHour":"8"}"""
)
BATCH = json.loads(
    """
{"retCode":0,"retMsg":"OK","result":{"list":[
 {"category":"linear","symbol":"BTCUSDT","orderId":"9aac","orderLinkId":"c1-a83f-tp1-0"},
 {"category":"linear","symbol":"BTCUSDT","orderId":"","orderLinkId":"c1-a83f-tp2-0"}]},
 "retExtInfo":{"list":[{"code":0,"msg":"OK"},
 {"code":110001,"msg":"order not exists or too late to replace"}]},"time":1795219084000}"""
)


def changed(row: Mapping[str, object], **changes: object) -> dict[str, object]:
    return {**row, **changes}


def body(result: object) -> dict[str, object]:
    return {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": 1}


def page_of(*rows: object, cursor: str | None = "") -> dict[str, object]:
    return body({"category": "linear", "list": list(rows), "nextPageCursor": cursor})
