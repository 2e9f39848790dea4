0local s = [==[ do ]] ]==] .. "\z
 x" --[[ while ]] ::a:: s = s .. 0x1p+4 if #s < 100 then goto a end