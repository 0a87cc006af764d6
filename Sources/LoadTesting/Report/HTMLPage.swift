/// The parts of the page that are the same for each result: its style, and the script that draws the figures as SVG.
enum HTMLPage {
    static let head = #"""
        <!doctype html>
        <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
        <title>trellis-load</title><style>
        :root{--paper:#fbfaf7;--card:#fff;--ink:#1c2430;--soft:#66707f;--line:#e4e1d9;--grid:#eeebe4;--a:#1f6f8b;--b:#c8553d;
        --c:#e0a030;--d:#5a7d4f;--e:#7b5ea7;--bad:#b3261e;--badbg:#fdeceb;--note:#8a6100;--notebg:#fff6df}
        @media(prefers-color-scheme:dark){:root{--paper:#14181e;--card:#1b2129;--ink:#e6e9ee;--soft:#95a0b0;--line:#2b333e;
        --grid:#252c36;--a:#5fb4d1;--b:#ee8a72;--c:#e8bd62;--d:#90b883;--e:#b59bdc;--bad:#ff9d95;--badbg:#3a2022;
        --note:#f0cf80;--notebg:#352c17}}
        *{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);
        font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}
        main{max-width:1120px;margin:0 auto;padding:36px 24px 60px}
        h1{font-size:26px;font-weight:650;letter-spacing:-.015em;margin:0 0 2px;overflow-wrap:anywhere}
        h2{font-size:15px;font-weight:650;margin:0 0 2px}p{margin:0}.soft{color:var(--soft);font-size:13px}
        .tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:1px;background:var(--line);
        border:1px solid var(--line);border-radius:10px;overflow:hidden;margin:22px 0}
        .tile{background:var(--card);padding:14px 16px}.tile b{display:block;font-size:22px;font-weight:620;
        letter-spacing:-.02em;font-variant-numeric:tabular-nums;white-space:nowrap}.tile span{color:var(--soft);font-size:12.5px}
        .say{border-radius:8px;padding:10px 14px;margin:8px 0;font-size:14px;background:var(--notebg);color:var(--note)}
        .say.bad{background:var(--badbg);color:var(--bad);font-weight:560}
        .card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:16px 18px;margin:14px 0}
        .pair{display:grid;grid-template-columns:1fr 1fr;gap:14px}.pair .card{margin:0}
        @media(max-width:860px){.pair{grid-template-columns:1fr}}
        .key{display:flex;flex-wrap:wrap;gap:4px 16px;font-size:12.5px;color:var(--soft);margin:2px 0 6px}
        .key i{display:inline-block;width:14px;height:3px;border-radius:2px;margin-right:6px;vertical-align:middle}
        svg{display:block;width:100%;height:auto;overflow:visible}svg text{font-size:11.5px;fill:var(--soft);
        font-family:inherit;font-variant-numeric:tabular-nums}
        .scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:14px}
        th{font-weight:560;color:var(--soft);font-size:12.5px;text-align:right;padding:6px 10px;border-bottom:1px solid
        var(--line);white-space:nowrap}td{text-align:right;padding:7px 10px;border-bottom:1px solid var(--grid);
        white-space:nowrap}tr:last-child td{border-bottom:0}th:first-child,td:first-child{text-align:left;padding-left:0}
        td.text,th.text{text-align:left;white-space:normal;overflow-wrap:anywhere}tr.sub td{color:var(--soft);padding-top:0}tr.sub0 td{border-bottom:0}
        .bad-text{color:var(--bad)}.picker{display:flex;flex-wrap:wrap;gap:6px;margin:22px 0 4px}
        .picker button{font:inherit;font-size:13px;padding:4px 12px;border-radius:99px;border:1px solid var(--line);
        background:var(--card);color:var(--ink);cursor:pointer}.picker button[aria-pressed=true]{background:var(--ink);
        color:var(--paper);border-color:var(--ink)}
        .tip{position:fixed;pointer-events:none;background:var(--ink);color:var(--paper);border-radius:6px;padding:6px 10px;
        font-size:12.5px;line-height:1.45;font-variant-numeric:tabular-nums;opacity:0;z-index:9;white-space:pre}
        footer{color:var(--soft);font-size:12.5px;margin-top:24px}
        </style></head><body><main id="main"></main><div class="tip" id="tip"></div>
        """#

    static let script = #"""
        <script>
        "use strict";
        const D=JSON.parse(document.getElementById("data").textContent),$=(n,a={},...k)=>{const e=document.createElement(n);
        for(const[x,v]of Object.entries(a))x==="class"?e.className=v:e.setAttribute(x,v);e.append(...k);return e},
        S=(n,a={},...k)=>{const e=document.createElementNS("http://www.w3.org/2000/svg",n);
        for(const[x,v]of Object.entries(a))e.setAttribute(x,v);e.append(...k);return e},
        digits=v=>v>=99.95?v.toFixed(0):v>=9.995?v.toFixed(1):v.toFixed(2),
        dur=n=>n<1e3?Math.round(n)+" ns":n<999500?digits(n/1e3)+" µs":n<999.5e6?digits(n/1e6)+" ms":digits(n/1e9)+" s",
        num=v=>Math.round(v).toLocaleString("en"),rate=v=>(v>=100?num(v):digits(v))+"/s",
        size=b=>{for(const u of["B","KiB","MiB","GiB"]){if(b<1024)return(u==="B"?b:digits(b))+" "+u;b/=1024}return digits(b)+" TiB"},
        short=v=>v>=1e6?+(v/1e6).toPrecision(3)+" M":v>=1e3?+(v/1e3).toPrecision(3)+" k":""+ +v.toPrecision(3),
        axisDur=n=>n===0?"0":n<1e3?+n.toPrecision(3)+" ns":n<1e6?+(n/1e3).toPrecision(3)+" µs":n<1e9?+(n/1e6).toPrecision(3)+" ms":+(n/1e9).toPrecision(3)+" s",
        C=["var(--a)","var(--c)","var(--b)","var(--e)","var(--d)"],main=document.getElementById("main"),tip=document.getElementById("tip");
        function steps(max,n=5){if(!(max>0))return[0,1];const raw=max/n,p=10**Math.floor(Math.log10(raw)),
        s=[1,2,2.5,5,10].find(f=>f*p>=raw)*p,out=[];for(let i=0;(i-1)*s<max;i++)out.push(+(i*s).toPrecision(12));return out}
        function decades(lo,hi){const out=[];for(let e=Math.floor(Math.log10(lo));10**e<=hi*1.0001;e++)for(const m of[1,2,5]){
        const v=m*10**e;if(v>=lo*.999&&v<=hi*1.001)out.push(v)}return out}
        // One chart: lines over x, with a grid, an axis each, and what is under the pointer.
        function chart({lines,x,y,xTicks,yTicks,xText,yText,logX,logY,area,height=250,xTip,marks=[],part=1}){
        const W=Math.max(300,Math.min(1072,innerWidth-48)*part-38),H=height,L=64,R=14,T=10,B=30,all=lines.flatMap(l=>l.points);
        const[x0,x1]=x,[y0,y1]=y,lx=v=>logX?Math.log10(v):v,ly=v=>logY?Math.log10(Math.max(v,y0)):v;
        const X=v=>L+(lx(v)-lx(x0))/(lx(x1)-lx(x0)||1)*(W-L-R),Y=v=>H-B-(ly(v)-ly(y0))/(ly(y1)-ly(y0)||1)*(H-T-B);
        const svg=S("svg",{viewBox:`0 0 ${W} ${H}`,role:"img"});
        for(const t of yTicks)svg.append(S("line",{x1:L,x2:W-R,y1:Y(t),y2:Y(t),stroke:"var(--grid)"}),
        S("text",{x:L-10,y:Y(t)+4,"text-anchor":"end"},yText(t)));
        for(const t of xTicks)svg.append(S("text",{x:X(t),y:H-8,"text-anchor":"middle"},xText(t)));
        svg.append(S("line",{x1:L,x2:W-R,y1:H-B,y2:H-B,stroke:"var(--line)"}));
        for(const m of marks)svg.append(S("line",{x1:X(m.x),x2:X(m.x),y1:T,y2:H-B,stroke:"var(--line)","stroke-dasharray":"3 3"}));
        lines.forEach(l=>{if(!l.points.length)return;
        const d=l.points.map((p,i)=>(i?"L":"M")+X(p[0]).toFixed(1)+" "+Y(p[1]).toFixed(1)).join("");
        if(area&&l.fill!==false)svg.append(S("path",{d:d+`L${X(l.points.at(-1)[0])} ${H-B}L${X(l.points[0][0])} ${H-B}Z`,fill:l.colour,opacity:.12}));
        svg.append(S("path",{d,fill:"none",stroke:l.colour,"stroke-width":2,"stroke-linejoin":"round","stroke-linecap":"round",
        ...(l.dash?{"stroke-dasharray":"5 4"}:{})}));
        if(l.points.length<2)svg.append(S("circle",{cx:X(l.points[0][0]),cy:Y(l.points[0][1]),r:3,fill:l.colour}))});
        const rule=S("line",{y1:T,y2:H-B,stroke:"var(--soft)",opacity:0});svg.append(rule);
        svg.addEventListener("pointermove",e=>{const r=svg.getBoundingClientRect(),px=(e.clientX-r.left)/r.width*W;
        if(!all.length)return;const near=ps=>ps.reduce((a,p)=>Math.abs(X(p[0])-px)<Math.abs(X(a[0])-px)?p:a);
        const at=near(all)[0];rule.setAttribute("x1",X(at));rule.setAttribute("x2",X(at));rule.setAttribute("opacity",.5);
        tip.textContent=xTip(at)+"\n"+lines.filter(l=>l.points.length).map(l=>l.name+"  "+yText(near(l.points)[1],true)).join("\n");
        tip.style.opacity=1;const w=tip.offsetWidth;tip.style.left=Math.min(innerWidth-w-8,e.clientX+14)+"px";tip.style.top=e.clientY+14+"px"});
        svg.addEventListener("pointerleave",()=>{tip.style.opacity=0;rule.setAttribute("opacity",0)});return svg}
        function card(title,about,lines,svg){return $("section",{class:"card"},$("h2",{},title),$("p",{class:"soft"},about),
        $("div",{class:"key"},...lines.filter(l=>l.points.length).map(l=>{const i=$("i");i.style.background=l.colour;return $("span",{},i,l.name)})),svg)}
        function over(c,index){const by=new Map(c.intervals.map(i=>[i[0],i]));return[...by.values()].map(i=>[(i[0]+.5)*D.interval,i[index]])}
        // Intervals without calls are gaps in latency and zero in rate.
        function rates(c,index){const n=Math.ceil(D.seconds/D.interval-1e-6);
        const by=new Map(c.intervals.map(i=>[i[0],i])),out=[];for(let k=0;k<n;k++){const left=Math.min(D.interval,D.seconds-k*D.interval);
        if(left<D.interval*.2&&n>1)continue;out.push([k*D.interval+left/2,((by.get(k)||[])[index]||0)/left])}return out}
        function draw(c){const box=$("div"),end=Math.max(D.seconds,D.interval,...c.intervals.map(i=>(i[0]+1)*D.interval)),
        sec=v=>+v.toPrecision(4)+" s",time={x:[0,end],xTicks:steps(end,innerWidth<700?4:8).filter(v=>v<=end),xText:sec,
        marks:end>D.seconds*1.001?[{x:D.seconds}]:[]};
        const lat=[["p50",3],["p90",4],["p99",5],["max",6]].map(([name,i],k)=>({name,colour:C[[0,4,2,3][k]],points:over(c,i)}));
        const values=lat.flatMap(l=>l.points.map(p=>p[1])).filter(v=>v>0),lo=Math.min(...values,1e9),hi=Math.max(...values,1);
        const nice=(v,up)=>{const p=10**Math.floor(Math.log10(v)),f=v/p;return up?[1,2,5,10].find(m=>m>=f*.999)*p:[5,2,1].find(m=>m<=f*1.001)*p};
        const y=[nice(lo,false),nice(hi,true)];if(y[0]===y[1])y[1]*=2;let ticks=decades(y[0],y[1]);
        if(ticks.length>9)ticks=ticks.filter(v=>Math.abs(Math.log10(v)-Math.round(Math.log10(v)))<1e-6);
        if(values.length)box.append(card("Latency over time",(D.openLoop?"From when each call was to begin to its end":"From when each call began to its end")+
        ", by when it ended. Logarithmic."+(end>D.seconds*1.001?" After the dashed line: calls that ended late.":""),lat,chart({...time,lines:lat,y,yTicks:ticks,yText:(v,exact)=>exact?dur(v):axisDur(v),logY:true,
        xTip:v=>"at "+sec(v)})));
        const thr=[{name:"calls that ended",colour:C[0],points:rates(c,1)},{name:"failed",colour:"var(--bad)",points:c.failed?rates(c,2):[]}];
        const top=Math.max(...thr.flatMap(l=>l.points.map(p=>p[1])),1e-9),yt=steps(top*1.05,4);
        box.append(card("Throughput over time","Calls a second.",thr,chart({...time,lines:thr,y:[0,yt.at(-1)],yTicks:yt,
        yText:(v,exact)=>exact?rate(v):short(v),area:true,height:200,xTip:v=>"at "+sec(v)})));
        const same=!D.openLoop,pct=[{name:same?"latency":"from when it was to begin",colour:C[0],points:c.curve},
        {name:"service time",colour:C[2],dash:true,points:same?[]:c.serviceCurve}];
        const pv=pct.flatMap(l=>l.points.map(p=>p[1]));if(pv.length){const n=Math.max(10,...c.curve.map(p=>p[0])),pl=nice(Math.min(...pv),false),
        ph=nice(Math.max(...pv),true);let pt=decades(pl,ph);if(pt.length>9)pt=pt.filter(v=>Math.abs(Math.log10(v)-Math.round(Math.log10(v)))<1e-6);
        const tails=[1,2,10,100,1e3,1e4,1e5,1e6,1e7,1e8].filter(v=>v<=n);
        const name=t=>t===1?"min":t===2?"50 %":+(100*(1-1/t)).toFixed(8)+" %";
        box.append(card("Latency by percentile","Each step to the right is a tenfold rarer call: 1 / (1 − quantile). Logarithmic in both directions.",pct,
        chart({lines:pct,x:[1,n],y:[pl,ph===pl?pl*2:ph],xTicks:tails,xText:name,yTicks:pt,yText:(v,exact)=>exact?dur(v):axisDur(v),
        logX:true,logY:true,height:280,xTip:t=>+(100*(1-1/t)).toPrecision(7)+" % of calls"})))}
        const st=c.statuses;box.append($("section",{class:"card"},$("h2",{},"How calls ended"),$("div",{class:"scroll"},table(["status","count","share","message"],
        st.map(s=>[s.code+(s.isError||s.code==="OK"?"":" (expected)"),num(s.count),digits(100*s.count/Math.max(1,c.calls))+" %",s.message]),
        st.map(s=>s.isError?"bad-text":""),3))));return box}
        function table(head,rows,classes=[],text=-1){return $("table",{},$("thead",{},$("tr",{},...head.map((h,i)=>$("th",i===text?{class:"text"}:{},h)))),
        $("tbody",{},...rows.map((r,k)=>$("tr",{class:classes[k]||""},...r.map((v,i)=>$("td",i===text?{class:"text"}:{},v))))))}
        const conf=Object.fromEntries(D.configuration.map?D.configuration:Object.entries(D.configuration)),total=D.calls[0];
        main.append($("h1",{},conf.what||"trellis-load"),$("p",{class:"soft"},[conf.address,conf.load,D.startedAt.replace("T"," ").replace(/\.\d+/,"")].filter(Boolean).join("  ·  ")));
        for(const f of D.findings)main.append($("p",{class:"say"+(f.kind==="note"?"":" bad"),style:"margin-top:14px"},f.text));
        const tile=(v,t)=>$("div",{class:"tile"},$("b",{},v),$("span",{},t));
        main.append($("div",{class:"tiles"},tile(rate(total.rate),"calls a second"),tile(dur(total.latency[0]),"p50"),tile(dur(total.latency[2]),"p99"),
        tile(dur(total.latency[3]),"p99.9"),tile(num(total.calls),"calls in "+digits(D.seconds)+" s"),
        tile(total.failed?digits(100*total.failed/total.calls)+" %":"none","failed")));
        const rows=[],cls=[];for(const[list,kind]of[[D.calls.length>2?[...D.calls.slice(1),total]:D.calls.slice(1),""],[D.flows,"flow "]])for(const c of list){
        rows.push([kind+c.name,num(c.calls),rate(c.rate),...c.latency.map(dur),c.failed?num(c.failed):"0"]);cls.push(D.openLoop||c.messages?"sub0":"");
        if(D.openLoop){rows.push(["service time","","",...c.serviceTime.map(dur),""]);cls.push(c.messages?"sub sub0":"sub")}
        if(c.messages){rows.push(["messages","","",...c.messages.map(dur),""]);cls.push("sub")}}
        main.append($("section",{class:"card"},$("h2",{},"Calls"),$("div",{class:"scroll"},table(["","calls","rate","p50","p90","p99","p99.9","p99.99","max","failed"],rows,cls))));
        const place=$("div"),pick=$("div",{class:"picker",role:"group"}),kinds=D.calls.length>2?[...D.calls,...D.flows]:[D.calls[1]||total,...D.flows];
        kinds.forEach((c,i)=>{const b=$("button",{type:"button","aria-pressed":i===0},(i===0&&D.calls.length>2?"all calls":(D.flows.includes(c)?"flow ":"")+c.name));
        b.onclick=()=>{for(const o of pick.children)o.setAttribute("aria-pressed",o===b);place.replaceChildren(draw(c))};pick.append(b)});
        if(kinds.length>1)main.append(pick);place.append(draw(kinds[0]));main.append(place);
        if(D.server.length){const s=D.server,end=Math.max(D.seconds,...s.map(v=>v.second)),sec=v=>+v.toPrecision(4)+" s",
        cpu=[{name:"processors in use",colour:C[4],points:s.map(v=>[v.second,v.processors])}],mem=[{name:"resident memory",colour:C[3],points:s.map(v=>[v.second,v.residentBytes/1048576])}];
        const pair=$("div",{class:"pair"});for(const[lines,title,text,unit]of[[cpu,"Server: processors","1 is one processor all the time.",""],[mem,"Server: memory","Resident set."," MiB"]]){
        const t=steps(Math.max(...lines[0].points.map(p=>p[1]),1e-9)*1.1,4);pair.append(card(title,text,lines,chart({lines,x:[0,end],xTicks:steps(end,4).filter(v=>v<=end),xText:sec,
        y:[0,t.at(-1)],yTicks:t,yText:v=>short(v)+unit,area:true,height:200,part:innerWidth>860?.493:1,xTip:v=>"at "+sec(v)})))}main.append(pair)}
        const g=D.generator;main.append($("section",{class:"card"},$("h2",{},"The generator and what was asked of it"),$("div",{class:"scroll"},table(["setting",""],[
        ...Object.entries(conf).map(([k,v])=>[k,typeof v==="string"?v:JSON.stringify(v)]),
        ["threads on a processor",g.threads.map(t=>digits(100*t)+" %").join(", ")],["late, p99 and most",dur(g.lagP99)+", "+dur(g.lagMax)],
        ["most under way at once",num(g.highestInFlight)],...(D.openLoop?[["arrivals, not sent",num(g.scheduled)+", "+num(g.unsent)]]:[]),
        ["bytes sent, received",size(total.sentBytes)+", "+size(total.receivedBytes)]],[],1))));
        main.append($("footer",{},"Percentiles are of merged histograms of three digits (HdrHistogram). Made by trellis-load."));
        </script></body></html>

        """#
}
